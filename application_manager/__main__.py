"""Wires the application manager: ``python3 -m application_manager``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from application_manager.api.app import build_app
from application_manager.api.parts import Parts
from application_manager.asks import Asks
from application_manager.channels import Channels
from application_manager.endings import Endings
from application_manager.expiry import EVERY_S as LOOK_EVERY_S
from application_manager.expiry import Expiry, servers_of
from application_manager.feed import Feed
from application_manager.letters import DeadLetters
from application_manager.live import Loads
from application_manager.mail import mail_of
from application_manager.notifier import Notifier
from application_manager.people import KEEP_DAYS, People
from application_manager.publisher import Publisher
from application_manager.registry import Registry
from application_manager.schedules import Schedules
from application_manager.server import HttpConfig, HttpServer
from application_manager.sources import sources_of
from application_manager.versions import Versions
from common.bus import Producer
from common.bus.kafka import KafkaBus
from common.bus.receive import Receiver
from common.config import Settings
from common.db.clock import DisciplinedClock, database_now
from common.db.mysql import MySqlDatabase
from common.db.queries import load_queries
from common.heartbeat import HeartbeatMonitor
from common.lifecycle import Context, Service, every, forever, run
from common.messages import NODE_LOADS
from common.secret import Secret

CONNECTIONS = 6


@dataclass(frozen=True)
class _Doors:
    """The ways to Kafka and MySQL."""

    bus: KafkaBus
    producer: Producer
    database: MySqlDatabase
    screens: MySqlDatabase
    clock: DisciplinedClock


def build(context: Context) -> Service:
    """Put the application manager together; nothing is connected yet."""
    settings = context.settings
    doors = _doors(context)
    database, producer, clock = doors.database, doors.producer, doors.clock
    outbox = every(1.0, "outbox", Publisher(database, producer, clock).run_once)
    http = _http(settings)
    parts = _parts(context, doors, outbox.wake, is_tls=http.cert_file is not None)
    server = HttpServer(build_app(parts), http)
    receiver = Receiver(doors.bus, producer, None, NODE_LOADS, parts.loads.receive)
    keep_days = settings.number("KEEP_DAYS", KEEP_DAYS)
    notifier = Notifier(database, clock, mail=mail_of(settings))
    first = _Once(partial(parts.people.make_first, _secret(settings, "ADMIN_PASSWORD"),
                          _secret(settings, "API_TOKEN")))  # fmt: skip
    return Service(
        loops=[
            every(1.0, "http", server.run_once),
            outbox,
            forever("loads", receiver.run_once, receiver.wake),
            parts.monitor,
            parts.letters,
            every(1.0, "feed", parts.feed.run_once),
            every(2.0, "notices", notifier.run_once),
            every(2.0, "mail", notifier.mail_once),
            every(3600.0, "first", first.run_once),
            every(600.0, "tidy", lambda: parts.people.tidy(keep_days)),
            every(600.0, "tidy_notices", lambda: notifier.tidy(keep_days)),
            every(5.0, "endings", Endings(database).run_once),
            every(LOOK_EVERY_S, "expiry", Expiry(servers_of(settings.kafka(), http)).run_once),
            every(5.0, "clock", clock.sync),
        ],
        checks={"mysql": database.ping, "kafka": partial(doors.bus.ping, 3.0),
                "first": first.check},
        figures={"stream_readers": lambda: parts.feed.listeners,
                 "dead_letters": lambda: sum(parts.letters.counts().values())},
        close=partial(_close, server, receiver, parts.monitor, parts.letters, doors.bus,
                      doors.screens, database),
        producer=producer,
    )  # fmt: skip


def _doors(context: Context) -> _Doors:
    bus = KafkaBus(context.settings.kafka(), f"application_manager-{context.replica}")
    database, screens = (
        MySqlDatabase(context.settings.mysql("rota_app"), load_queries(package), CONNECTIONS)
        for package in ("application_manager", "application_manager.dashboard")
    )
    clock = DisciplinedClock(context.clock, partial(database_now, database))
    return _Doors(bus, bus.producer(), database, screens, clock)


def _parts(context: Context, doors: _Doors, publish: Callable[[], None], *, is_tls: bool) -> Parts:
    database, clock = doors.database, doors.clock
    loads, monitor = Loads(), HeartbeatMonitor(doors.bus, doors.producer)
    people = People(database)
    allowed = [each.strip() for each in context.settings.text("IMAGE_ALLOW", "*").split(",")]
    names = context.settings.optional("APP_SECRETS")  # of secrets; None: not known here
    secrets = None if names is None else names.split()
    return Parts(
        database=database, screens=doors.screens, clock=clock, people=people, loads=loads,
        monitor=monitor, letters=DeadLetters(doors.bus),
        feed=Feed(database, clock, sources_of(database, loads, monitor, clock)),
        schedules=Schedules(database, publish, allowed, secrets),
        asks=Asks(database, clock, publish),
        versions=Versions(database, publish), registry=Registry(database, people),
        channels=Channels(database, clock),
        client_token=_secret(context.settings, "CLIENT_TOKEN"), is_tls=is_tls,
        stopping=context.stopping,
    )  # fmt: skip


class _Closable(Protocol):
    def close(self) -> None: ...


def _close(*parts: _Closable) -> None:
    for each in parts:
        each.close()


class _Once:
    """Does something once, as soon as it can be done."""

    def __init__(self, make: partial[None]) -> None:
        self._make = make
        self._is_done = False

    def run_once(self) -> float | None:
        if not self._is_done:
            self._make()
            self._is_done = True
        return None

    def check(self) -> str | None:
        return None if self._is_done else "the first user and token are not made yet"


def _secret(settings: Settings, key: str) -> Secret | None:
    return settings.secret(key) if settings.optional(key) else None


def _http(settings: Settings) -> HttpConfig:
    is_tls = settings.optional("HTTP_CERT_FILE") is not None
    return HttpConfig(
        host=settings.text("HTTP_BIND", "127.0.0.1"),
        port=settings.integer("HTTP_PORT", 8443),
        cert_file=settings.path("HTTP_CERT_FILE") if is_tls else None,
        key_file=settings.path("HTTP_KEY_FILE") if is_tls else None,
    )


if __name__ == "__main__":
    sys.exit(run("application_manager", build))
