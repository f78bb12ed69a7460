"""B2, lateness: so many schedules resident, 1,000 due each second, one each millisecond.

Lateness is the broker's time of the start command, in whole milliseconds, less the due time. The
limit is a bare wake-up and the round trip of one produce, measured before and after.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from benchmarks.rig import Rig, new_rig, now, percentile, result, say, specs

A_SECOND = 1000
LEAD_S = 10


def measure(size: int, runs: int, seconds: int) -> dict[str, Any]:
    """Return the 99th percentile of lateness in milliseconds."""
    figures: dict[str, Any] = {"ours": [], "limit": [], "unit": "ms late, p99"}
    facts: dict[str, Any] = {}
    for _ in range(runs):
        with new_rig() as rig:
            before = _bare_ms(rig)
            ours, facts = _lateness_ms(rig, size, seconds)
            after = _bare_ms(rig)
        figures["ours"].append(ours)
        figures["limit"].append((before + after) / 2)
    return result("b2", size, figures, **facts)


def _bare_ms(rig: Rig, count: int = 300) -> float:
    """Wake up at an instant and produce one record; how late is it there?"""
    producer = rig.bus.producer()
    producer.send("job.commands.dlq", "warm", b"up").wait(10)
    late = []
    for _ in range(count):
        due = time.monotonic() + 0.01
        time.sleep(max(0.0, due - time.monotonic()))
        producer.send("job.commands.dlq", "key", b"x" * 500).wait(10)
        late.append((time.monotonic() - due) * 1000)
    producer.close()
    say(f"bare wake-up and produce: p50 {percentile(late, 0.5):.1f} ms")
    return percentile(late, 0.99)


def _lateness_ms(rig: Rig, size: int, seconds: int) -> tuple[float, dict[str, Any]]:
    due = seconds * A_SECOND
    rig.put_far(max(0, size - due), now() + timedelta(days=1))
    begin = (now() + timedelta(seconds=LEAD_S + due / 2_000)).replace(microsecond=0)
    for second in range(seconds):
        first = begin + timedelta(seconds=second)
        rig.put(specs(A_SECOND, first, 86400, f"d{second}"), spread_over_s=1.0)
    replica = rig.start()
    rig.wait_held("one", 16)
    say(f"{size:,} resident, begin in {(begin - now()).total_seconds():.1f} s")
    rig.wait_commands(due, timeout_s=120 + 4 * seconds + (begin - now()).total_seconds())
    commands = rig.commands()
    late = [(at - message.due).total_seconds() * 1000 for message, at in commands]
    facts = {
        "p50_ms": round(percentile(late, 0.5), 1), "max_ms": round(max(late), 1),
        "early": sum(one < 0 for one in late),
        "commands": len(commands), "jobs": len({m.job_id for m, _ in commands}),
        "memory_mb": round(replica.resident_mb()),
    }  # fmt: skip
    say(f"ours: p99 {percentile(late, 0.99):.1f} ms, {facts}")
    return percentile(late, 0.99), facts
