"""What goes wrong on machines, told so that a person can act: where, what was run, what next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from common.errors import Permanent


@dataclass(frozen=True)
class Failure:
    """One thing that did not succeed. `command` is redacted already: secrets are never in argv."""

    machine: str
    what: str
    why: str
    command: str | None = None
    exit_code: int | None = None
    last_lines: tuple[str, ...] = ()
    next_step: str | None = None


class MachineError(Permanent):
    """Something on a machine did not succeed."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.machine}: {failure.what}: {failure.why}")
        self.failure = failure


class PartlyDoneError(Permanent):
    """Some machines failed; the others are done."""

    def __init__(
        self, failures: Sequence[Failure], done: int, *, has_begun: bool = False
    ) -> None:
        super().__init__(f"{len(failures)} steps failed, {done} were done")
        self.has_begun = has_begun
        self.failures = tuple(failures)
        self.done = done


class LockHeldError(Permanent):
    """Another run of the tool works on the machine."""


class NotConvergedError(Permanent):
    """Everything succeeded, and yet something still differs from the file."""


def folded(failures: Sequence[Failure]) -> list[tuple[tuple[str, ...], Failure]]:
    """Put equal failures of several machines together."""
    groups: dict[tuple[object, ...], list[Failure]] = {}
    for failure in failures:
        key = (failure.what, failure.why, failure.exit_code, failure.last_lines)
        groups.setdefault(key, []).append(failure)
    return [(tuple(f.machine for f in group), group[0]) for group in groups.values()]
