"""B3, recovery: kill -9 with so many schedules pending, a tenth of them (10 k at most) overdue.

Counted from the start of the new process (its imports included) to the first overdue command on its
topic, and to the last. The limit is the bare SELECT of all schedules and a heapify.
"""

from __future__ import annotations

import heapq
import time
from datetime import datetime, timedelta
from typing import Any

from benchmarks.rig import Rig, new_rig, now, result, say, specs
from common.db.queries import parse_queries

_ALL = parse_queries("""
-- name: all_schedules
SELECT instance_id, next_due, priority FROM schedules;
""")


def measure(size: int, runs: int, seconds: int) -> dict[str, Any]:
    """Return seconds until every overdue start is on its topic."""
    del seconds
    figures: dict[str, Any] = {"ours": [], "limit": [], "unit": "s to all overdue"}
    facts: dict[str, Any] = {}
    for _ in range(runs):
        with new_rig() as rig:
            ours, limit, facts = _run(rig, size)
        figures["ours"].append(ours)
        figures["limit"].append(limit)
    return result("b3", size, figures, **facts)


def _run(rig: Rig, size: int) -> tuple[float, float, dict[str, Any]]:
    overdue = min(10_000, size // 10)
    rig.put_far(size - overdue, now() + timedelta(days=2))
    due = now().replace(microsecond=0) + timedelta(seconds=20)
    rig.put(specs(overdue, due, 86400))
    first_life = rig.start(ROTA_SCHEDULER_LEASE_S="3")
    rig.wait_held("one", 16)
    first_life.kill()
    while now() < due + timedelta(seconds=11):  # over ten seconds ago: the misfire policy decides
        time.sleep(0.1)
    limit = _bare_s(rig)
    second_life = rig.start()
    rig.wait_commands(overdue)
    times = sorted(at for _, at in rig.commands())
    first_s, all_s = ((at - second_life.started_at).total_seconds() for at in (times[0], times[-1]))
    imports_s = _imports_s(second_life.log.read_text(encoding="utf-8"), second_life.started_at)
    facts = {
        "overdue": overdue, "first_s": round(first_s, 3), "all_s": round(all_s, 3),
        "process_start_s": imports_s, "memory_mb": round(second_life.resident_mb()),
    }  # fmt: skip
    say(f"ours: {facts}")
    return all_s, limit, facts


def _bare_s(rig: Rig) -> float:
    database = type(rig.ledger)(rig.ledger._config, _ALL)  # noqa: SLF001 - the same server
    began = time.perf_counter()
    with database.transaction() as transaction:
        heap = [
            (row["next_due"], row["priority"], row["instance_id"])
            for row in transaction.all("all_schedules")
        ]
    heapq.heapify(heap)
    took = time.perf_counter() - began
    database.close()
    say(f"bare SELECT and heapify of {len(heap):,}: {took:.2f} s")
    return took


def _imports_s(log: str, started_at: datetime) -> float | None:
    """Return how long the process took to come to its first line of log."""
    for line in log.splitlines():
        if "service_started" in line:
            told = line.split('"time": "')[-1].split('"')[0].replace("Z", "+00:00")
            return round((datetime.fromisoformat(told) - started_at).total_seconds(), 3)
    return None
