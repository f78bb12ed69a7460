"""What the routes work with, and how they get at it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from application_manager.live import Loads
from application_manager.people import People
from application_manager.schedules import Schedules
from common.clock import Clock
from common.db import Database
from common.heartbeat import HeartbeatMonitor
from common.secret import Secret


@dataclass(frozen=True)
class Parts:
    """Everything behind the routes; `publish` wakes the outbox after a commit."""

    database: Database
    clock: Clock
    people: People
    schedules: Schedules
    loads: Loads
    monitor: HeartbeatMonitor
    publish: Callable[[], None]
    client_token: Secret | None = None
    is_tls: bool = False
    stopping: threading.Event = field(default_factory=threading.Event)


def _parts_of(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsDep = Annotated[Parts, Depends(_parts_of)]
