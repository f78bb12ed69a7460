"""Wires the platform client: ``python3 -m node_manager.client``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import msgspec

from common.bus import Producer
from common.bus.kafka import KafkaBus
from common.bus.receive import Receiver
from common.clock import Clock
from common.config import Settings
from common.errors import ConfigError
from common.lifecycle import VERSION, Context, Loop, Service, every, forever, run
from common.messages import NODES, node_commands
from node_manager.client.ahead import Ahead, Hints
from node_manager.client.cleaner import Cleaner, ImageBook, disk_used_of
from node_manager.client.deadlines import Deadlines, Lane
from node_manager.client.domain.container import Owner, Policy, read_policy
from node_manager.client.engine.connection import SOCKET
from node_manager.client.engine.docker_engine import DockerEngine
from node_manager.client.hands import Parts
from node_manager.client.journal import Journal
from node_manager.client.log_server import LogSource, start_log_server
from node_manager.client.log_store import LogStore
from node_manager.client.machine import (
    Heartbeats,
    Identity,
    Watch,
    Ways,
    read_boot_id,
    watchdog_error,
)
from node_manager.client.pulls import Pulls
from node_manager.client.reports import Outbox
from node_manager.client.service import Agent
from node_manager.client.standing import NameRegister
from node_manager.client.steady_clock import SteadyClock
from node_manager.client.watchdog import ALIVE

WORKERS = {Lane.AHEAD: 2, Lane.NORMAL: 2, Lane.URGENT: 2}
SWEEP_S = 5.0
CLEAN_S = 60.0


def build(context: Context) -> Service:
    """Make the client from its settings; nothing here needs Kafka or Docker to be up."""
    settings, clock = context.settings, SteadyClock(context.clock)
    identity = _identity(settings)
    bus = KafkaBus(settings.kafka(), f"client-{identity.node_id}")
    producer = bus.producer()
    parts = _parts(settings, clock, identity, producer)
    agent = Agent(parts)
    server = _log_server(settings, parts, identity.log_port)
    receiver = Receiver(
        bus, producer, f"client-{identity.node_id}", node_commands(identity.node_id), agent.handle
    )
    names = Receiver(bus, producer, None, NODES, parts.register.hear)
    parts.register.follow(names.caught_up, agent.changed.set)
    cleaner = _cleaner(settings, parts)
    ways = Ways(parts.engine, producer, context.clock, parts.register)
    heartbeats = Heartbeats(agent, identity, ways)

    def close() -> None:
        server.shutdown()
        for open_one in (receiver, names, producer, bus, parts.pulls, parts.engine, parts.journal):
            open_one.close()

    clock.believe(parts.register.has_clock_complaint, heartbeats.heard_for_s)
    agent.recover()
    return Service(
        loops=[
            forever("commands", receiver.run_once, receiver.wake),
            forever("names", names.run_once, names.wake),
            forever("beats", heartbeats.run_once, heartbeats.wake),
            *_loops(agent, parts, cleaner),
        ],
        checks={
            **_checks(settings, clock, parts, agent),
            "kafka": lambda: bus.ping(5.0),
            "disk": cleaner.disk_error,
        },
        figures=_figures(agent, parts, disk_used_of(_journal_path(settings).parent)),
        close=close,
        producer=producer,
    )


def _figures(
    agent: Agent, parts: Parts, disk_used: Callable[[], float]
) -> dict[str, Callable[[], float]]:
    return {
        "disk_used": disk_used,
        "containers": lambda: len(agent.containers()),
        "reports_waiting": lambda: len(parts.outbox),
    }


def _log_server(settings: Settings, parts: Parts, port: int) -> ThreadingHTTPServer:
    source = LogSource(parts.engine, parts.logs, settings.secret("CLIENT_TOKEN"))
    return start_log_server(source, settings.text("CLIENT_BIND", "0.0.0.0"), port)


def _cleaner(settings: Settings, parts: Parts) -> Cleaner:
    disk_used = disk_used_of(_journal_path(settings).parent)
    return Cleaner(parts.engine, parts.journal, parts.images, disk_used)


def _checks(
    settings: Settings, clock: SteadyClock, parts: Parts, agent: Agent
) -> dict[str, Callable[[], str | None]]:
    folder = settings.optional("CLIENT_RUN_FOLDER")
    alive = Path(folder, ALIVE) if folder else None
    return {
        "docker": agent.docker_error,
        "name": parts.register.error,
        "clock": clock.error,
        "watchdog": partial(watchdog_error, alive, clock),
    }


def _parts(settings: Settings, clock: Clock, identity: Identity, producer: Producer) -> Parts:
    owner = Owner(settings.text("PLATFORM", "rota"), identity.node_id, identity.boot_id)
    path = _journal_path(settings)
    engine = DockerEngine(owner, settings.text("CLIENT_DOCKER", SOCKET))
    journal = Journal(path, clock.now())  # it makes the folder
    images = ImageBook(path.with_name("images.json"), clock)
    pulls = Pulls(engine, images.note_pulled)
    return Parts(
        owner=owner, policy=_policy(settings), clock=clock, engine=engine,
        journal=journal, deadlines=Deadlines(clock), outbox=Outbox(producer), images=images,
        pulls=pulls, logs=LogStore(path.parent / "logs"),
        ahead=Ahead(Hints(), engine, pulls, images),
        register=NameRegister(identity.node_id, identity.boot_id, identity.address, clock),
    )  # fmt: skip


def _loops(agent: Agent, parts: Parts, cleaner: Cleaner) -> list[Loop]:
    """List what goes on without Kafka, too: deadlines are kept by these alone."""
    watch = Watch(agent, parts.engine, parts.clock)

    return [
        forever("reports", lambda: parts.outbox.run_once(agent.on_sent), parts.outbox.wake),
        forever("events", watch.run_once, watch.wake),
        every(SWEEP_S, "sweep", agent.sweep),
        every(CLEAN_S, "clean", lambda: cleaner.run_once(parts.logs, parts.clock.now())),
        *_workers(agent, parts.deadlines),
    ]


def _journal_path(settings: Settings) -> Path:
    return Path(settings.text("CLIENT_JOURNAL", "/var/lib/rota/client/journal"))


def _workers(agent: Agent, deadlines: Deadlines) -> list[Loop]:
    return [
        forever(f"{lane.name.lower()}-{number}", partial(agent.work_once, lane), deadlines.close)
        for lane, count in WORKERS.items()
        for number in range(count)
    ]  # fmt: skip


def _identity(settings: Settings) -> Identity:
    try:
        labels = msgspec.json.decode(settings.text("CLIENT_LABELS", "{}"), type=dict[str, str])
    except msgspec.MsgspecError as error:
        raise ConfigError(f"ROTA_CLIENT_LABELS is no JSON object of texts: {error}") from error
    run_folder = settings.optional("CLIENT_RUN_FOLDER")
    return Identity(
        node_id=settings.text("CLIENT_NODE_ID"),
        boot_id=read_boot_id(Path(run_folder, "boot-id") if run_folder else None),
        address=settings.text("CLIENT_ADDRESS"),
        log_port=settings.integer("CLIENT_PORT", 7110),
        labels=labels,
        version=settings.text("BUILD", VERSION),
        cpus=settings.number("CLIENT_CPUS", 0.0),
        memory_bytes=settings.integer("CLIENT_MEMORY_MIB", 0) * 1024 * 1024,
    )


def _policy(settings: Settings) -> Policy:
    text = settings.optional("CLIENT_POLICY")  # the content, or ROTA_CLIENT_POLICY_FILE
    return read_policy(text) if text else Policy()


if __name__ == "__main__":
    sys.exit(run("client", build))
