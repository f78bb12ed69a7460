"""The memory doors as one life of a process has them: each call may go wrong (`World.at_door`)."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from common.bus import BusUnavailableError, Consumer, Partition, Record, TopicSpec
from common.bus.memory import Fault, MemoryBus, Sent
from common.db import DatabaseUnavailableError, DeadlockError
from common.db.memory import DatabaseCall, MemoryDatabase, MemoryServer
from common.db.queries import Queries
from node_manager.client.domain.attempt import Key
from node_manager.client.engine import Engine, EngineUnavailableError
from tests.simulation.world import Clock, Life, Signal, World

RELEASED_WITHIN_S = 20.0
TRIED_AGAIN_S = 1.5
LONGER_IDLE = 4  # who reads is woken when something comes: an idle poll may last longer here
_LOST = (Fault.REFUSE, Fault.LOSE_ACK, Fault.DUPLICATE, Fault.DELAY)


class Broker:
    """The one Kafka of a world, and who waits for which topic."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.bus = MemoryBus(Clock(world))
        self.arrived: dict[str, Signal] = defaultdict(lambda: Signal(world))

    def disturb(self, topic: str) -> None:
        """Perhaps let the next record of a topic meet a fault."""
        world = self.world
        if world.time < world.chaos.until and world.rng.random() < world.chaos.message:
            fault = world.rng.choice(_LOST)
            self.bus.inject(fault, topic)
            if fault is Fault.DELAY:
                world.later(world.rng.uniform(0, RELEASED_WITHIN_S), lambda: self.release(topic))

    def release_all(self) -> None:
        """Deliver what is still late: a record that Kafka has acknowledged is never lost."""
        for topic in sorted(self.arrived):
            self.release(topic)
        self.world.later(RELEASED_WITHIN_S, self.release_all)

    def release(self, topic: str) -> None:
        self.bus.release(topic)
        self.arrived[topic].set()


class SimBus:
    """One life's way to Kafka."""

    def __init__(self, broker: Broker, life: Life) -> None:
        self._broker = broker
        self._life = life

    def check(self, door: str) -> None:
        fails = self._broker.world.at_door(self._life, f"bus.{door}")
        if fails or "bus" in self._life.process.cut:
            raise BusUnavailableError(f"simulated at {door}")

    def pass_by(self, door: str) -> None:
        """A place to crash or freeze at, but not to fail."""
        self._broker.world.at_door(self._life, f"bus.{door}")

    def tell(self, what: str) -> None:
        world = self._broker.world
        if world.is_verbose:
            world.trace.append(f"{world.time:10.3f} {self._life.process.name} sends {what}")

    def producer(self) -> SimProducer:
        return SimProducer(self, self._broker)

    def consumer(self, group: str | None) -> Consumer:
        return SimConsumer(self, self._broker, group)

    def partitions_of(self, topic: str) -> Sequence[Partition]:
        self.check("partitions")
        return self._broker.bus.partitions_of(topic)

    def create_topics(self, topics: Collection[TopicSpec]) -> Collection[str]:
        self.check("create")
        return self._broker.bus.create_topics(topics)

    def ping(self, timeout_s: float) -> None:
        self.check("ping")
        self._broker.bus.ping(timeout_s)

    def close(self) -> None:
        return


class SimProducer:
    """Sends; a record may be refused before, or its sender left in doubt after."""

    def __init__(self, bus: SimBus, broker: Broker) -> None:
        self._bus = bus
        self._broker = broker
        self._producer = broker.bus.producer()

    def send(self, topic: str, key: str | None, value: bytes) -> Sent:
        self._bus.check("send")
        self._bus.tell(f"{topic} {value.decode()}")
        self._broker.disturb(topic)
        sent = self._producer.send(topic, key, value)
        self._broker.arrived[topic].set()
        try:
            self._bus.check("sent")
        except BusUnavailableError as error:
            return Sent(error)
        return sent

    def send_all(self, topic: str, records: Sequence[tuple[str, bytes]]) -> Sent:
        sent = [self.send(topic, key, value) for key, value in records]
        return next((one for one in sent if one.error is not None), Sent())

    def close(self) -> None:
        return


class SimConsumer:
    """Reads without ever blocking: an empty poll is a wait of its loop."""

    def __init__(self, bus: SimBus, broker: Broker, group: str | None) -> None:
        self._bus = bus
        self._broker = broker
        self._consumer = broker.bus.consumer(group)
        self._topics: set[str] = set()
        self._emptied_at = -1
        self._woken = Signal(broker.world)

    def assign(self, partitions: Collection[Partition]) -> None:
        self._bus.check("assign")
        self._consumer.assign(partitions)
        self._topics = {partition.topic for partition in partitions}
        self._emptied_at = -1

    def poll(self, timeout_s: float, max_records: int = 500) -> Sequence[Record]:
        self._bus.check("poll")
        most = self._broker.world.rng.choice((1, 3, max_records))
        records: Sequence[Record] = []
        present = sum(self._broker.arrived[topic].count for topic in self._topics)
        if present != self._emptied_at or not self._broker.bus.available:
            records = self._consumer.poll(0.0, most)
        if not records:
            self._emptied_at = present
            idle_s = timeout_s * LONGER_IDLE
            for topic in sorted(self._topics):
                self._broker.world.wait(self._broker.arrived[topic], idle_s)
            self._broker.world.wait(self._woken, idle_s)
        self._bus.pass_by("polled")  # not an error: what a poll took it hands over
        return records

    def seek(self, partition: Partition, offset: int) -> None:
        self._consumer.seek(partition, offset)
        self._emptied_at = -1

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        self._bus.check("commit")
        self._consumer.commit(offsets)
        self._bus.check("committed")

    def position(self, partition: Partition) -> int:
        return self._consumer.position(partition)

    def end_offsets(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        self._bus.check("ends")
        return self._consumer.end_offsets(partitions)

    def wake(self) -> None:
        self._consumer.wake()
        self._woken.set()

    def close(self) -> None:
        self._consumer.close()


class SimServer:
    """The one MySQL of a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.server = MemoryServer(Clock(world), lock_wait_s=0.0)
        self.is_down = False
        # a frozen holder of the one lock would stop everybody, which row locks do not
        world.may_freeze = lambda: not self.server.is_locked

    def door(self, life: Life, database: str, queries: Queries) -> MemoryDatabase:
        """Give one life its pool."""
        door = MemoryDatabase(self.server, database, queries)
        door.hook = lambda call: self._check(life, call)
        return door

    def _check(self, life: Life, call: DatabaseCall) -> None:
        fails = self.world.at_door(life, f"db.{call.step}")
        if fails and call.step == "statement" and self.world.rng.random() < 0.5:
            raise DeadlockError("simulated")
        if fails or self.is_down or "db" in life.process.cut:
            raise DatabaseUnavailableError(f"simulated at {call.step}")


class SimEngine:
    """One life's way to its machine's Docker."""

    def __init__(self, world: World, life: Life, engine: Engine, changed: Signal) -> None:
        self._world = world
        self._life = life
        self._engine = engine
        self._changed = changed
        self.seen: deque[Key] = deque()

    def __getattr__(self, door: str) -> Callable[..., Any]:
        return partial(self._call, door)

    def _call(self, door: str, *arguments: Any, **named: Any) -> Any:
        self._check(door)
        answer = getattr(self._engine, door)(*arguments, **named)
        self._check(f"{door}.done")
        return answer

    def _check(self, door: str) -> None:
        if self._world.at_door(self._life, f"engine.{door}"):
            # a client tries again after a second: so long nobody looks after the machine
            self._life.process.down.append((self._world.time, self._world.time + TRIED_AGAIN_S))
            raise EngineUnavailableError(f"simulated at {door}")

    def events(self, since: datetime, for_s: float) -> _Events:
        self._call("events", since, for_s)
        self._world.wait(self._changed, for_s)
        found = list(self.seen)
        self.seen.clear()
        return _Events(found)

    def close(self) -> None:
        return


class _Events:
    def __init__(self, keys: Sequence[Key]) -> None:
        self._keys = keys

    def __iter__(self) -> Iterator[Key]:
        yield from self._keys

    def close(self) -> None:
        return
