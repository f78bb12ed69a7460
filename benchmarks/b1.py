"""B1, storm: so many jobs due in one second, all known before.

The clock stops when the last start command is on its topic; its row was committed before that.
"""

from __future__ import annotations

import statistics
import time
from datetime import timedelta
from typing import Any

from benchmarks.limits import inserted_a_second, jobs_of, popped_a_second, produced_a_second
from benchmarks.rig import Rig, new_rig, now, result, say, specs

LEAD_S = 8


def measure(size: int, runs: int, seconds: int) -> dict[str, Any]:
    """Return jobs a second, against the slowest of producer, SQL and heap."""
    del seconds
    figures: dict[str, Any] = {"ours": [], "limit": [], "unit": "jobs/s"}
    limits: dict[str, list[float]] = {"producer": [], "sql": [], "heap": []}
    facts: dict[str, Any] = {}
    for _ in range(runs):
        ours, bounds, facts = _run(size)
        figures["ours"].append(ours)
        figures["limit"].append(min(bounds.values()))
        for name, value in bounds.items():
            limits[name].append(value)
    told = {name: round(statistics.median(values)) for name, values in limits.items()}
    return result("b1", size, figures, limits=told, **facts)


def _run(size: int) -> tuple[float, dict[str, float], dict[str, Any]]:
    with new_rig() as rig:
        bounds = _limits(rig, size, "raw")
        before = rig.count("count_jobs")
        lead = timedelta(seconds=LEAD_S + size / 7_000)
        due = (now() + lead).replace(microsecond=0)
        rig.put(specs(size, due, 3600))
        say(f"{size:,} schedules written, due in {(due - now()).total_seconds():.1f} s")
        replica = rig.start()
        rig.wait_held("one", 16)
        time.sleep(max(0.0, (due - now()).total_seconds() - 0.3))
        used = rig.processor_s()
        rig.wait_commands(size)
        costs = {
            f"{who}_us_a_job": round((after_s - used[who]) / size * 1e6, 1)
            for who, after_s in rig.processor_s().items()
        }
        memory = replica.resident_mb()
        commands = rig.commands()
        took = (max(at for _, at in commands) - due).total_seconds()
        early = sum(at < message.due for message, at in commands)
        facts = {
            "seconds": round(took, 2), "rows": rig.count("count_jobs") - before, "early": early,
            "commands": len(commands), "jobs": len({m.job_id for m, _ in commands}),
            "memory_mb": round(memory), **costs,
        }  # fmt: skip
        say(f"ours: {size / took:,.0f} jobs/s; {facts}")
        replica.kill()
        after = _limits(rig, size // 4, "again")
        facts["limit_after"] = round(min(after.values()))
        return size / took, bounds, facts


def _limits(rig: Rig, size: int, prefix: str) -> dict[str, float]:
    """Measure what the machine can do; done before and after, since others may be using it."""
    jobs = jobs_of(size, prefix)
    return {
        "producer": produced_a_second(rig, jobs),
        "sql": inserted_a_second(rig, jobs),
        "heap": popped_a_second(size),
    }
