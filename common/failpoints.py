"""Places where a test may let a process die, as a crash at that very instruction would.

``ROTA_FAILPOINT=name:crash`` kills the process (SIGKILL) when it comes to `name`;
``name:crash@3`` when it comes there the third time. Without the variable it costs one comparison.
"""

from __future__ import annotations

import itertools
import os
import signal

_NAME, _, _REST = os.environ.get("ROTA_FAILPOINT", "").partition(":")
_AT = int(_REST.partition("@")[2] or 1)
_passed = itertools.count(1)


def failpoint(name: str) -> None:
    """Die here if the environment says so."""
    if name == _NAME and next(_passed) == _AT:
        os.kill(os.getpid(), signal.SIGKILL)
