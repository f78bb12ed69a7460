"""Every named failpoint of the source, and what to do to a process that comes there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import common.failpoints
from common.failpoints import FailpointError
from tests.simulation.world import Crash, World

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "common", "application_manager", "scheduler", "deployment_manager", "load_balancer",
    "node_manager",
)  # fmt: skip
ACTS = ("crash", "freeze", "error")
FROZEN_S = 20.0
_CALL = re.compile(r'\bfailpoint\(\s*"([\w.]+)"\s*\)')


def all_failpoints() -> list[str]:
    """Find the names by reading the source."""
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return sorted({name for path in files for name in _CALL.findall(path.read_text("utf-8"))})


def arm(world: World, name: str, act: str, *, times: int = 1) -> Callable[[], int]:
    """Let the first `times` processes that come to a failpoint suffer; return how often one did."""
    passed = 0

    def suffer(here: str) -> None:
        nonlocal passed
        process = world.current
        if here != name or process is None or process.life is None:
            return
        passed += 1
        if passed > times:
            return
        world.note("failpoint", f"{name} in {process.name}: {act}")
        match act:
            case "crash":
                process.die()
                raise Crash
            case "freeze":
                world.freeze_here(process.life, FROZEN_S)
            case _:
                raise FailpointError

    common.failpoints.hook = suffer
    return lambda: passed


def disarm() -> None:
    common.failpoints.hook = None
