"""structlog without rich, which it takes along for coloured tracebacks, if it is there.

Nobody is shown one: a person sees a line, a machine JSON. rich and its pygments are a quarter of
what a service imports, and every start of one waits for it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import cast


@contextmanager
def without(name: str) -> Iterator[None]:
    """Let an import of `name` fail meanwhile, as if it were not installed; what has it keeps it."""
    if name in sys.modules:
        yield
        return
    modules = cast("dict[str, ModuleType | None]", sys.modules)
    modules[name] = None  # the import system's own word for: not there
    try:
        yield
    finally:
        del modules[name]


with without("rich"):
    import structlog

__all__ = ["structlog"]
