"""How `rota platform` shows its work: a table machine by phase on a terminal, else plain lines."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from platform_initializer.domain.steps import Phase, Step
from platform_initializer.errors import Failure
from platform_initializer.progress import Progress

MOST_ROWS = 16
_URGENCY = ("failed", "skipped", "running", "waiting", "done")


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
        changes = sum(step.phase is not Phase.HEALTH for step in steps)
        if changes:
            self.say(f"{changes} changes to make")

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

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        from rich.console import Console
        from rich.live import Live

        self._lock = threading.Lock()
        self._monotonic = monotonic
        self._began = monotonic()
        self._steps: dict[str, tuple[Step, str]] = {}
        self._spent: dict[tuple[str, Phase], float] = {}
        self._since: dict[tuple[str, Phase], float] = {}
        self._line = "looking at the machines"
        console = Console(stderr=True, no_color="NO_COLOR" in os.environ or None)
        self.live = Live(console=console, refresh_per_second=5, get_renderable=self.picture)

    def say(self, text: str) -> None:
        with self._lock:
            self._line = text

    def planned(self, steps: Sequence[Step]) -> None:
        with self._lock:
            self._steps = {step.key: (step, "waiting") for step in steps}

    def started(self, step: Step) -> None:
        with self._lock:
            self._since.setdefault((step.machine, step.phase), self._monotonic())
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

    def picture(self) -> Any:
        """Draw it as it stands: what needs eyes first, what is done folded when there is much."""
        from rich.console import Group
        from rich.text import Text

        with self._lock:
            line = Text(f"{self._monotonic() - self._began:5.1f} s  {self._doing()}", style="dim",
                        overflow="ellipsis", no_wrap=True)  # fmt: skip
            if not self._steps:
                return line
            shown, folded = self._rows()
            parts = [self._table(shown), *([Text(folded, style="dim")] if folded else []), line]
            return Group(*parts)

    def _doing(self) -> str:
        """Tell what runs, the longest first; without any what was said last."""
        running = [step for step, state in self._steps.values()
                   if state == "running" and step.phase is not Phase.HEALTH]  # fmt: skip
        if not running:
            return self._line
        first = min(running, key=lambda step: self._since[step.machine, step.phase])
        more = f", and {len(running) - 1} more" if len(running) > 1 else ""
        return f"{first.machine}: {first.title} ({first.reason}){more}"

    def _rows(self) -> tuple[list[str], str]:
        machines = list(dict.fromkeys(step.machine for step, _ in self._steps.values()))
        if len(machines) <= MOST_ROWS:
            return machines, ""
        states = {name: self._state_of(name) for name in machines}
        ordered = sorted(machines, key=lambda name: _URGENCY.index(states[name]))
        rest = Counter(states[name] for name in ordered[MOST_ROWS:])
        told = ", ".join(f"{count} {state}" for state, count in rest.items())
        return ordered[:MOST_ROWS], f"and {len(machines) - MOST_ROWS} more: {told}"

    def _state_of(self, machine: str) -> str:
        states = {state for step, state in self._steps.values() if step.machine == machine}
        return next(state for state in _URGENCY if state in states)

    def _table(self, machines: Sequence[str]) -> Any:
        from rich.table import Table

        table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")  # fits 80 columns
        table.add_column("machine", no_wrap=True)
        for phase in Phase:
            table.add_column(phase.value, no_wrap=True, min_width=8)
        for machine in machines:
            table.add_row(machine, *(self._cell(machine, phase) for phase in Phase))
        return table

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
            since = self._since.get((machine, phase), self._monotonic())
            what = f"{done}/{len(states)}" if len(states) > 1 else "now"
            return Text(f"{what} {self._monotonic() - since:.0f}s", style="cyan")
        return Text("waiting", style="dim")
