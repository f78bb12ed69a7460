"""A plan is a list of steps; each says what, where, why, what it risks and what it waits for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

CLEANING = "secrets@"
"""How the keys of steps begin that take away what a replaced container may still have needed."""


class Phase(StrEnum):
    """The columns of the table a person watches, in their order."""

    DOCKER = "docker"
    FILES = "files"
    IMAGES = "images"
    STORES = "stores"
    SETUP = "setup"
    SERVICES = "services"
    CLIENT = "client"
    HEALTH = "health"


class Risk(StrEnum):
    """What a step may cost those who use the platform."""

    NONE = "none"
    RESTART = "restart"
    DOWNTIME = "downtime"
    DATA = "data"


@dataclass(frozen=True)
class Step:
    """One change on one machine. `run` raises `MachineError`; running it twice does no harm."""

    key: str
    machine: str
    phase: Phase
    title: str
    reason: str
    run: Callable[[], None]
    after: frozenset[str] = frozenset()
    risk: Risk = Risk.NONE
