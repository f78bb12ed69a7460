"""Places where a test may let a process die, freeze or fail, at that very instruction.

``ROTA_FAILPOINT=name:crash`` kills the process (SIGKILL) when it comes to `name`; ``freeze`` stops
it (SIGSTOP, until somebody sends SIGCONT); ``error`` raises `FailpointError`. ``name:crash@3`` acts
when it comes there the third time. Without the variable it costs two comparisons.

In one process with others (the simulation) `hook` is called with each name instead, and may raise.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable

from common.errors import Retryable

hook: Callable[[str], None] | None = None
"""Set by a test that plays crashes without processes."""

_NAME, _, _REST = os.environ.get("ROTA_FAILPOINT", "").partition(":")
_ACTION, _, _COUNT = _REST.partition("@")
_AT = int(_COUNT or 1)
_passed = itertools.count(1)


class FailpointError(Retryable):
    """A test wanted this call to fail."""


def failpoint(name: str) -> None:
    """Act here if the environment or the hook says so."""
    if hook is not None:
        hook(name)
    if name == _NAME and next(_passed) == _AT:
        _act()


def _act() -> None:
    match _ACTION:
        case "error":
            raise FailpointError(f"a test lets {_NAME} fail")
        case "freeze":
            os.kill(os.getpid(), signal.SIGSTOP)
        case _:
            os.kill(os.getpid(), signal.SIGKILL)
