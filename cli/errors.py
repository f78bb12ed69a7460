"""Errors as a person reads them: what, where, why, and the next command."""

from __future__ import annotations

import sys
from enum import IntEnum


class ExitCode(IntEnum):
    """How the command ends (interfaces.md, 1)."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    INVALID_FILE = 3
    NOT_FOUND = 4
    CONFLICT = 5
    FORBIDDEN = 6
    UNREACHABLE = 7
    PARTLY_DONE = 8
    NO_CAPACITY = 9
    JOB_FAILED = 10
    HAS_CHANGES = 20


class CliError(Exception):
    """Something a person should read, in four parts."""

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        why: str | None = None,
        next_command: str | None = None,
        exit_code: ExitCode = ExitCode.UNEXPECTED,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.next_command = next_command
        self.exit_code = exit_code


def print_error(error: CliError) -> None:
    """Write the four parts to stderr, those that there are."""
    lines = [f"error: {error.what}"]
    for name, part in (("where", error.where), ("why", error.why), ("next", error.next_command)):
        if part:
            lines.append(f"  {name + ':':6} {part}")
    print("\n".join(lines), file=sys.stderr)
