"""What the routes work with, and how they get at it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from application_manager.asks import Asks
from application_manager.channels import Channels
from application_manager.feed import Feed
from application_manager.letters import DeadLetters
from application_manager.live import Loads
from application_manager.people import People
from application_manager.registry import Registry
from application_manager.schedules import Schedules
from application_manager.versions import Versions
from common.clock import Clock
from common.db import Database
from common.heartbeat import HeartbeatMonitor
from common.secret import Secret


@dataclass(frozen=True)
class Parts:
    """Everything behind the routes.

    `screens` is the dashboard's own pool, which only reads: pages that wait never hold up the API.
    """

    database: Database
    screens: Database
    clock: Clock
    people: People
    schedules: Schedules
    loads: Loads
    monitor: HeartbeatMonitor
    letters: DeadLetters
    feed: Feed
    asks: Asks
    versions: Versions
    registry: Registry
    channels: Channels
    client_token: Secret | None = None
    is_tls: bool = False
    stopping: threading.Event = field(default_factory=threading.Event)


def _parts_of(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsDep = Annotated[Parts, Depends(_parts_of)]
