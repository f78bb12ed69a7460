"""What is told while it works; the command line shows it as a table or as lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from platform_initializer.domain.steps import Step
from platform_initializer.errors import Failure


class Progress(Protocol):
    """Hears of everything that happens. Called from many threads."""

    def say(self, text: str) -> None:
        """One line for a person."""
        ...

    def planned(self, steps: Sequence[Step]) -> None:
        """These are to be done."""
        ...

    def started(self, step: Step) -> None: ...

    def finished(self, step: Step, seconds: float) -> None: ...

    def failed(self, step: Step, failure: Failure) -> None: ...

    def skipped(self, step: Step) -> None:
        """It waited for one that failed."""
        ...
