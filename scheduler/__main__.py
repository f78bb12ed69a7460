"""Wires the scheduler: ``python3 -m scheduler``."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from common.bus import Bus, Partition, Producer
from common.bus.kafka import KafkaBus
from common.bus.receive import Receiver
from common.db.clock import DisciplinedClock, database_now
from common.db.mysql import MySqlDatabase
from common.db.queries import load_queries
from common.heartbeat import HeartbeatMonitor
from common.lifecycle import Context, Every, Loop, Service, every, forever, run
from common.messages import APP_INSTANCES, JOB_EVENTS
from scheduler.announcing import EVERY_S, Announcer
from scheduler.auditor import EVERY_S as AUDIT_S
from scheduler.auditor import Auditor
from scheduler.events import Events
from scheduler.forgetting import KEEP_DAYS, Forgetting
from scheduler.intake import Intake
from scheduler.leases import LEASE_S
from scheduler.outbox import SWEEP_S
from scheduler.service import NOT_NOW_S, PREPARE_PAUSE_S, Scheduler

GROUP = "scheduler"
GC_THRESHOLDS = (10_000, 5_000, 10)
"""A storm makes many objects and no cycles: with Python's own thresholds a third of the time of
deciding goes into looking for them (21 against 13 us a job). The youngest are looked at often: that
takes half a millisecond; the others, a million of them, hardly ever: that stops all for 0.1 s."""

SWITCH_S = 0.0005
"""So long another thread may keep who wakes up for a due time waiting (Python's own: 5 ms)."""


class Parts:
    """The scheduler and what feeds it, put together; nothing is connected yet."""

    def __init__(self, context: Context) -> None:
        self.bus: Bus = KafkaBus(context.settings.kafka(), f"scheduler-{context.replica}")
        self.producer: Producer = self.bus.producer()
        config = context.settings.mysql("rota_scheduler")
        self.database = MySqlDatabase(config, load_queries("scheduler"), pool_size=8)
        self.clock = DisciplinedClock(context.clock, partial(database_now, self.database))
        self.scheduler = Scheduler(self.database, self.producer, self.clock, context.replica)
        self.scheduler.leases.ttl_s = context.settings.number("SCHEDULER_LEASE_S", LEASE_S)
        self.announcer = Announcer(self.scheduler, self.database, self.producer, self.clock)
        self.reading = ThreadPoolExecutor(1, "scan-ahead")
        self.intake = Intake(self.scheduler, self.database, self.clock, self.reading)
        self.scan = every(5.0, "scan", self.intake.scan)
        self.auditor = Auditor(self.scheduler, self.database, self.clock)
        keep_days = context.settings.number("KEEP_DAYS", KEEP_DAYS)
        # the application manager forgets the questions first: an answer is there while it is asked
        self.forgetting = Forgetting(self.scheduler, self.database, keep_days + 1)
        events = Events(self.scheduler, self.database, self.clock)
        self.instances = self._receiver(APP_INSTANCES, self.intake.receive_instances)
        self.events = self._receiver(JOB_EVENTS, events.receive)
        self.monitor = HeartbeatMonitor(self.bus, self.producer)

    def hold_shards(self) -> None:
        """Keep our leases; read our shards' partitions, and look at the instances of new ones."""
        before = self.scheduler.shards
        self.scheduler.hold_shards()
        shards = self.scheduler.shards
        if shards - before:
            self.scan.wake()
        self.instances.assign([Partition(APP_INSTANCES, shard) for shard in shards])
        self.events.assign([Partition(JOB_EVENTS, shard) for shard in shards])

    def close(self) -> None:
        self.scheduler.leave()
        for receiver in (self.instances, self.events, self.monitor):
            receiver.close()
        self.reading.shutdown(wait=False, cancel_futures=True)
        self.bus.close()
        self.database.close()

    def _receiver(self, topic: str, handle: Callable[..., None]) -> Receiver:
        receiver = Receiver(self.bus, self.producer, GROUP, topic, handle)
        receiver.assign([])
        return receiver


def build(context: Context) -> Service:
    """Put the scheduler together."""
    parts = Parts(context)
    scheduler, clock = parts.scheduler, parts.clock
    begun = threading.Event()
    firing = every(5.0, "firing", partial(_fire, scheduler, begun))
    syncing = every(5.0, "clock", partial(_sync, clock, firing))
    scheduler.wake = firing.wake
    sweeping = every(SWEEP_S, "sweep", scheduler.outbox.sweep_if_idle)

    def look_for_unsent() -> None:
        scheduler.outbox.want_sweep()
        sweeping.wake()

    scheduler.wake_outbox = look_for_unsent
    scheduler.on_fired = _none

    def may_fire() -> bool:
        is_trusted = clock.is_trusted()
        if not is_trusted:
            syncing.wake()
        return is_trusted

    scheduler.may_fire = may_fire
    scheduler.is_reconciled = parts.events.caught_up
    figures = scheduler.figures() | {"ledger_imbalance": lambda: parts.auditor.imbalance}
    return Service(
        first=_first_loops(parts, syncing, firing),
        begun=begun,
        loops=[*_loops(parts), sweeping],
        checks={"mysql": parts.database.ping, "kafka": partial(parts.bus.ping, 3.0)},
        figures=figures,
        close=parts.close,
        producer=parts.producer,
    )


def _sync(clock: DisciplinedClock, firing: Every) -> None:
    """Ask the database for the time; who waited for that fires at once."""
    was_trusted = clock.is_trusted()
    clock.sync()
    if not was_trusted:
        firing.wake()


def _fire(scheduler: Scheduler, begun: threading.Event) -> float:
    """Do what is due; once nothing is overdue any more, the other loops may begin."""
    wait_s = scheduler.tick()
    if wait_s not in {0.0, NOT_NOW_S} and not len(scheduler.resident.backlog):
        begun.set()
    return wait_s


def _first_loops(parts: Parts, syncing: Loop, firing: Loop) -> list[Loop]:
    """List what an overdue start waits for; the others would only be in its way."""
    outbox, leases = parts.scheduler.outbox, parts.scheduler.leases
    return [
        every(leases.ttl_s / 4, "leases", parts.hold_shards),
        syncing,
        firing,
        forever("outbox", outbox.run_once, outbox.nudge),
    ]


def _loops(parts: Parts) -> list[Loop]:
    scheduler = parts.scheduler
    return [
        every(PREPARE_PAUSE_S, "prepare", scheduler.prepare),
        every(1.0, "kills", lambda: _none(scheduler.send_kills())),
        every(EVERY_S, "announce", parts.announcer.run_once),
        parts.scan,
        every(10.0, "waiting", scheduler.look_at_waiting),
        every(AUDIT_S, "audit", parts.auditor.run_once),
        every(600.0, "forgetting", parts.forgetting.run_once),
        forever("instances", parts.instances.run_once, parts.instances.wake),
        forever("events", parts.events.run_once, parts.events.wake),
        parts.monitor,
    ]


def _none(*_: object) -> None:
    """Tell the loop to keep its own pace."""


if __name__ == "__main__":
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_S)
    sys.exit(run("scheduler", build))
