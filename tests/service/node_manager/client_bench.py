"""A platform client on memory doors, stepped by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from common.bus import BusUnavailableError, Partition, Record
from common.bus.memory import MemoryBus
from common.bus.receive import Received
from common.clock import ManualClock
from common.jobs import Reason
from common.messages import (
    NODE_EVENTS,
    ContainerChanged,
    RunSpec,
    StartContainer,
    StopContainer,
    decode,
    fixed_topics,
)
from node_manager.client.ahead import Ahead, Hints
from node_manager.client.cleaner import ImageBook
from node_manager.client.deadlines import Deadlines, Lane
from node_manager.client.domain.attempt import Key, Status
from node_manager.client.domain.container import Owner, Policy
from node_manager.client.engine.memory import MemoryEngine
from node_manager.client.hands import Parts
from node_manager.client.journal import Journal
from node_manager.client.log_store import LogStore
from node_manager.client.pulls import Pulls
from node_manager.client.reports import Outbox
from node_manager.client.service import Agent
from node_manager.client.standing import NameRegister
from tests.support.at_once import AtOnce

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
OWNER = Owner("test", "m1", "b1")
JOB = "hall-heating.20261123T080000Z.0"
KEY = Key(JOB, 1)


class Bench:
    """One machine. `restart` is what a crash of the client leaves: Docker and the journal."""

    def __init__(self, folder: Any, owner: Owner = OWNER) -> None:
        self.folder, self.owner = folder, owner
        self.boot_id = "b1"
        self.policy = Policy()
        self.clock = ManualClock(NOW)
        self.bus = MemoryBus(self.clock)
        self.bus.create_topics(fixed_topics())
        self.engine = MemoryEngine(owner, self.clock, images=["app"])
        self.restart()

    def restart(self) -> None:
        self.journal = Journal(self.folder / "journal", self.clock.now())
        self.deadlines = Deadlines(self.clock)
        self.outbox = Outbox(self.bus.producer())
        self.logs = LogStore(self.folder / "logs")
        self.images = ImageBook(self.folder / "images.json", self.clock)
        self.register = NameRegister(self.owner.node_id, self.boot_id, "10.0.0.1", self.clock)
        pulls = Pulls(self.engine, self.images.note_pulled, AtOnce())
        self.agent = Agent(
            Parts(
                owner=self.owner, policy=self.policy, clock=self.clock, engine=self.engine,
                journal=self.journal, deadlines=self.deadlines, outbox=self.outbox,
                pulls=pulls, logs=self.logs, ahead=Ahead(Hints(), self.engine, pulls, self.images),
                images=self.images, register=self.register,
            )
        )  # fmt: skip
        self.agent.recover()

    def reboot(self, boot_id: str) -> None:
        """Cut the power and give it back: Docker says 255 of what it then finds dead."""
        for key, seen in self.engine.containers():
            if seen.status is Status.RUNNING:
                self.engine.end(key.name, 255)
        self.boot_id, self.owner = boot_id, replace(self.owner, boot_id=boot_id)
        self.engine.reboot(boot_id)
        self.restart()

    def start(self, epoch: int = 1, **fields: Any) -> None:
        spec = RunSpec(image=fields.pop("image", "app"), **fields.pop("spec", {}))
        due = fields.pop("due", NOW)
        fields.setdefault("expires_at", due + timedelta(minutes=5))
        self.receive(
            StartContainer(
                node_id=fields.pop("node_id", "m1"), job_id=JOB, attempt=1, epoch=epoch,
                instance_id="hall-heating", due=due, ordinal=0, not_before=due, spec=spec, **fields,
            )
        )  # fmt: skip

    def stop(self, epoch: int = 1, grace_s: int = 10) -> None:
        self.receive(
            StopContainer(node_id="m1", job_id=JOB, attempt=1, epoch=epoch, grace_s=grace_s,
                          reason=Reason.USER)
        )  # fmt: skip

    def receive(self, message: Any) -> None:
        record = Record(Partition("node.m1.commands", 0), 0, JOB, b"", 0)
        self.agent.handle([Received(message, record)])

    def work(self) -> None:
        """Do everything that is due now, and send what can be sent."""
        for _ in range(50):
            busy = False
            while self.agent.work_once(Lane.AHEAD, 0.0):
                busy = True
            if len(self.outbox):
                try:
                    self.outbox.run_once(self.agent.on_sent, 0.0)
                except BusUnavailableError:
                    return
                busy = True
            if not busy:
                return
        raise AssertionError("it never comes to rest")

    def pass_time(self, seconds: float) -> None:
        """Let time pass second by second, sweeping and working as the loops would."""
        for _ in range(int(seconds)):
            self.clock.advance(timedelta(seconds=1))
            if not self.engine.is_down:
                self.agent.sweep()
            self.work()

    def told(self) -> list[ContainerChanged]:
        """Return the reports in Kafka."""
        found = [decode(NODE_EVENTS, record.value) for record in self.bus.records(NODE_EVENTS)]
        return [message for message in found if isinstance(message, ContainerChanged)]

    def states(self) -> list[str]:
        return [report.state.value for report in self.told()]
