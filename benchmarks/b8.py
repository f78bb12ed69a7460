"""b8: bringing a platform up on N machines made for it, against its own critical path.

The machines are containers of this host and share its processors, so that N machines have no more
of them than one: what is measured is how well the steps overlap, and what a run costs that changes
nothing. The limit is the longest chain of steps that wait for each other, as they took in the same
run.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.ssh.paramiko_door import ParamikoDoor
from platform_initializer.document import parse_description
from platform_initializer.domain.description import Description
from platform_initializer.domain.steps import Step
from platform_initializer.down import down
from platform_initializer.errors import Failure
from platform_initializer.up import up

FILE = """\
version: 1
platform: bench
provision: {{driver: docker, pools: [{{name: m, count: {count}, cpus: 2, memory: 4GiB}}]}}
"""
NO_OPS = 5


class Stopwatch:
    """A progress that only measures. Called from many threads."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.seconds: dict[str, float] = {}

    def say(self, text: str) -> None: ...

    def planned(self, steps: Sequence[Step]) -> None:
        self.steps = list(steps)

    def started(self, step: Step) -> None: ...

    def finished(self, step: Step, seconds: float) -> None:
        self.seconds[step.key] = seconds

    def failed(self, step: Step, failure: Failure) -> None: ...

    def skipped(self, step: Step) -> None: ...

    def critical_path(self) -> tuple[float, list[str]]:
        """Return the longest chain of steps: its seconds and its keys."""
        ends: dict[str, tuple[float, list[str]]] = {}
        waiting = {step.key: step for step in self.steps}
        while waiting:
            ready = [step for step in waiting.values() if not step.after & waiting.keys()]
            for step in ready:
                before = max((ends[key] for key in step.after if key in ends), default=(0.0, []))
                ends[step.key] = (before[0] + self.seconds[step.key], [*before[1], step.key])
                del waiting[step.key]
        return max(ends.values())


def measure(size: int, runs: int, seconds: int) -> dict[str, Any]:
    """Bring a platform of `size` machines up `runs` times; no-op runs are measured in the last."""
    del seconds
    with tempfile.TemporaryDirectory() as folder:
        text = FILE.format(count=size).encode()
        description = parse_description(text, "b8.yml", Path(folder))
        fresh = [_one(description) for _ in range(runs)]
    took = [one["seconds"] for one in fresh]
    middle = sorted(fresh, key=lambda one: one["seconds"])[len(fresh) // 2]
    return {
        "id": "b8", "size": size, "unit": "s",
        "ours": round(middle["seconds"], 1), "limit": round(middle["path_seconds"], 1),
        "ratio_to_limit": round(middle["seconds"] / middle["path_seconds"], 2),
        "spread": round(max(took) - min(took), 1), "critical_path": middle["path"],
        "no_op_s": round(statistics.median(one["no_op_s"] for one in fresh), 2),
    }  # fmt: skip


def _one(description: Description) -> dict[str, Any]:
    door, watch = ParamikoDoor(), Stopwatch()
    try:
        began = time.monotonic()
        up(description, door, watch)
        seconds = time.monotonic() - began
        path_seconds, path = watch.critical_path()
        no_ops = [_timed(description, door) for _ in range(NO_OPS)]
    finally:
        down(description, door, Stopwatch(), destroy=True)
    return {"seconds": seconds, "path_seconds": path_seconds, "path": path,
            "no_op_s": statistics.median(no_ops)}  # fmt: skip


def _timed(description: Description, door: ParamikoDoor) -> float:
    began = time.monotonic()
    result = up(description, door, Stopwatch())
    assert result.steps_done == 0, "a second run must change nothing"  # noqa: S101 - a measurement
    return time.monotonic() - began
