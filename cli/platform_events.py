"""`rota platform up --json`: what happens, one JSON object a line, for programs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from typing import Any

from platform_initializer.domain.steps import Step
from platform_initializer.errors import Failure


class JsonProgress:
    """Writes to stdout. Called from many threads; the lock keeps lines whole.

    ``at_s`` is seconds since the beginning.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        self._write("said", text=text)

    def planned(self, steps: Sequence[Step]) -> None:
        self._write("planned", steps=[_described(step) for step in steps])

    def started(self, step: Step) -> None:
        self._write("started", step=step.key)

    def finished(self, step: Step, seconds: float) -> None:
        self._write("finished", step=step.key, seconds=round(seconds, 2))

    def failed(self, step: Step, failure: Failure) -> None:
        self._write("failed", step=step.key, machine=failure.machine, what=failure.what,
                    why=failure.why, next=failure.next_step)  # fmt: skip

    def skipped(self, step: Step) -> None:
        self._write("skipped", step=step.key)

    def _write(self, event: str, **fields: Any) -> None:
        with self._lock:
            at = round(time.monotonic() - self._began, 2)
            print(json.dumps({"event": event, "at_s": at, **fields}), flush=True)


def _described(step: Step) -> dict[str, str]:
    return {"key": step.key, "machine": step.machine, "phase": step.phase.value,
            "title": step.title, "reason": step.reason, "risk": step.risk.value}  # fmt: skip
