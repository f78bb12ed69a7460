"""Wires the scheduler: ``python3 -m scheduler``."""

from __future__ import annotations

import sys
from functools import partial

from common.bus.kafka import KafkaBus
from common.bus.receive import Receiver
from common.db.clock import DisciplinedClock, database_now
from common.db.mysql import MySqlDatabase
from common.db.queries import load_queries
from common.heartbeat import HeartbeatMonitor
from common.lifecycle import Context, Service, every, forever, run
from common.messages import APP_INSTANCES, JOB_EVENTS
from scheduler.intake import Intake
from scheduler.service import Scheduler

GROUP = "scheduler"


def build(context: Context) -> Service:
    """Put the scheduler together; nothing is connected yet."""
    bus = KafkaBus(context.settings.kafka(), f"scheduler-{context.replica}")
    producer = bus.producer()
    database = MySqlDatabase(context.settings.mysql("rota_scheduler"), load_queries("scheduler"))
    clock = DisciplinedClock(context.clock, partial(database_now, database))
    scheduler = Scheduler(database, producer, clock, context.replica)
    intake = Intake(scheduler, database, clock)
    instances = Receiver(bus, producer, GROUP, APP_INSTANCES, intake.receive_instances)
    events = Receiver(bus, producer, GROUP, JOB_EVENTS, intake.receive_events)
    monitor = HeartbeatMonitor(bus, producer)
    firing = every(5.0, "firing", scheduler.tick)
    scheduler.wake = firing.wake

    def close() -> None:
        scheduler.leave()
        for receiver in (instances, events, monitor):
            receiver.close()
        bus.close()
        database.close()

    return Service(
        loops=[
            every(3.0, "leases", scheduler.hold_shards),
            every(5.0, "clock", clock.sync),
            firing,
            every(1.0, "unsent", lambda: _none(scheduler.publish(), scheduler.send_kills())),
            every(5.0, "scan", intake.scan),
            every(10.0, "waiting", scheduler.look_at_waiting),
            forever("instances", instances.run_once, instances.wake),
            forever("events", events.run_once, events.wake),
            monitor,
        ],
        checks={"mysql": database.ping, "kafka": partial(bus.ping, 3.0)},
        figures=scheduler.figures(),
        close=close,
        producer=producer,
    )


def _none(*_: object) -> None:
    """Tell the loop to keep its own pace."""


if __name__ == "__main__":
    sys.exit(run("scheduler", build))
