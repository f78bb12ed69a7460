"""How `rota platform` shows its work: a table machine by phase on a terminal, else plain lines."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from platform_initializer.domain.steps import Phase, Step
from platform_initializer.errors import Failure
from platform_initializer.progress import Progress


@contextmanager
def watching() -> Iterator[Progress]:
    """Give what shows progress, fit for where stderr goes."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield PlainProgress()
        return
    table = TableProgress()
    with table.live:
        yield table


class PlainProgress:
    """One line an event, for logs and pipes. Called from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        with self._lock:
            print(f"[{time.monotonic() - self._began:5.1f} s] {text}", file=sys.stderr, flush=True)

    def planned(self, steps: Sequence[Step]) -> None:
        if steps:
            self.say(f"{len(steps)} changes to make")

    def started(self, step: Step) -> None:
        """Say nothing: the end tells."""

    def finished(self, step: Step, seconds: float) -> None:
        if step.phase is not Phase.HEALTH:
            self.say(f"{step.machine}: {step.title} ({step.reason}): done in {seconds:.1f} s")

    def failed(self, step: Step, failure: Failure) -> None:
        self.say(f"{step.machine}: {step.title}: FAILED: {failure.why}")

    def skipped(self, step: Step) -> None:
        self.say(f"{step.machine}: {step.title}: not begun")


class TableProgress:
    """A live table. Called from many threads; the lock guards all of it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._steps: dict[str, tuple[Step, str]] = {}
        self._spent: dict[tuple[str, Phase], float] = {}
        self._line = "looking at the machines"
        console = Console(stderr=True, no_color="NO_COLOR" in os.environ or None)
        self.live = Live(console=console, refresh_per_second=5, get_renderable=self._render)

    def say(self, text: str) -> None:
        with self._lock:
            self._line = text

    def planned(self, steps: Sequence[Step]) -> None:
        with self._lock:
            self._steps = {step.key: (step, "waiting") for step in steps}

    def started(self, step: Step) -> None:
        self._set(step, "running")

    def finished(self, step: Step, seconds: float) -> None:
        self._set(step, "done")
        with self._lock:
            cell = (step.machine, step.phase)
            self._spent[cell] = self._spent.get(cell, 0.0) + seconds

    def failed(self, step: Step, failure: Failure) -> None:
        self._set(step, "failed")
        self.say(f"{step.machine}: {failure.why}")

    def skipped(self, step: Step) -> None:
        self._set(step, "skipped")

    def _set(self, step: Step, state: str) -> None:
        with self._lock:
            self._steps[step.key] = (step, state)
            if state == "running" and step.phase is not Phase.HEALTH:
                self._line = f"{step.machine}: {step.title} ({step.reason})"

    def _render(self) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        with self._lock:
            table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")  # fits 80 columns
            table.add_column("machine", no_wrap=True)
            for phase in Phase:
                table.add_column(phase.value, no_wrap=True, min_width=8)
            for machine in dict.fromkeys(step.machine for step, _ in self._steps.values()):
                table.add_row(machine, *(self._cell(machine, phase) for phase in Phase))
            line = f"{time.monotonic() - self._began:5.1f} s  {self._line}"
        return Group(table, Text(line, style="dim", overflow="ellipsis", no_wrap=True))

    def _cell(self, machine: str, phase: Phase) -> Any:
        from rich.text import Text

        states = [state for step, state in self._steps.values()
                  if (step.machine, step.phase) == (machine, phase)]  # fmt: skip
        if not states:
            return Text("-", style="dim")
        if "failed" in states:
            return Text("failed", style="bold red")
        if "skipped" in states:
            return Text("skipped", style="yellow")
        done = states.count("done")
        if done == len(states):
            return Text(f"ok {self._spent.get((machine, phase), 0.0):.1f}s", style="green")
        if done or "running" in states:
            count = f" {done}/{len(states)}" if len(states) > 1 else ""
            return Text(f"now{count}", style="cyan")
        return Text("waiting", style="dim")
