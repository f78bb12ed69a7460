"""B9, take-over: two schedulers, one killed with kill -9 amid 100 due times a second.

The gap is the longest lateness of a start whose shard the dead one held; the limit is the lease's
length and a round trip. Lost and double must be 0.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from benchmarks.rig import Rig, new_rig, now, percentile, result, say, specs

LEASE_S = 1.0
A_SECOND = 100
ROUND_TRIP_S = 0.01


def measure(size: int, runs: int, seconds: int) -> dict[str, Any]:
    """Return the gap in seconds."""
    figures: dict[str, Any] = {"ours": [], "limit": [], "unit": "s"}
    facts: dict[str, Any] = {}
    for _ in range(runs):
        with new_rig() as rig:
            gap, facts = _run(rig, size, seconds)
        figures["ours"].append(gap)
        figures["limit"].append(LEASE_S + ROUND_TRIP_S)
    return result("b9", size, figures, **facts)


def _run(rig: Rig, size: int, seconds: int) -> tuple[float, dict[str, Any]]:
    rig.put_far(max(0, size - seconds * A_SECOND), now() + timedelta(days=1))
    begin = (now() + timedelta(seconds=25)).replace(microsecond=0)
    for second in range(seconds):
        first = begin + timedelta(seconds=second)
        rig.put(specs(A_SECOND, first, 86400, f"d{second}"))
    for name in ("one", "two"):
        rig.start(name, ROTA_SCHEDULER_LEASE_S=str(LEASE_S))
    for name in ("one", "two"):
        rig.wait_held(name, 8)
    say(f"begin in {(begin - now()).total_seconds():.1f} s")
    time.sleep(max(0.0, (begin - now()).total_seconds() + seconds / 2 + 0.3))
    rig.replicas[1].kill()
    wanted = seconds * A_SECOND
    rig.wait_commands(wanted, timeout_s=60 + seconds)
    commands = rig.commands()
    first: dict[str, float] = {}  # a command sent again, of the same id, starts nothing
    for message, at in commands:
        late_s = (at - message.due).total_seconds()
        first[message.job_id] = min(late_s, first.get(message.job_id, late_s))
    late, jobs = list(first.values()), first.keys()
    facts = {
        "p50_s": round(percentile(late, 0.5), 3), "lost": wanted - len(jobs),
        "double": len({(m.job_id, m.id) for m, _ in commands}) - len(jobs),
        "sent_again": len(commands) - len(jobs), "early": sum(one < 0 for one in late),
    }  # fmt: skip
    say(f"ours: gap {max(late):.2f} s, {facts}")
    return max(late), facts
