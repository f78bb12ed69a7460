"""Commands on their way: a slow broker holds up none of the next ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from common.bus import BusUnavailableError
from common.clock import ManualClock
from scheduler.flights import MOST_ALOFT, SEND_TIMEOUT_S, Flights
from scheduler.ready import AT_ONCE, Command
from tests.unit.scheduler.build import NOON


@dataclass
class Slow:
    """A record that arrives when it is told to; waiting for it before that takes all the time."""

    has_arrived: bool = False
    is_lost: bool = False
    waits: list[float] = field(default_factory=list)

    def wait(self, timeout_s: float) -> None:
        self.waits.append(timeout_s)
        if self.is_lost or not (self.has_arrived or timeout_s):
            raise BusUnavailableError("not there")

    def is_over(self) -> bool:
        return self.has_arrived or self.is_lost


class World:
    def __init__(self) -> None:
        self.clock = ManualClock(NOON)
        self.landed: list[str] = []
        self.flights = Flights(self.clock, self._note)

    def send(self, name: str, count: int = 1) -> Slow:
        pending = Slow()
        self.flights.add([Command(AT_ONCE, name, 1, b"")] * count, pending)
        return pending

    def _note(self, commands: Sequence[Command]) -> None:
        self.landed.append(commands[0].job_id)


@pytest.fixture
def world() -> World:
    return World()


def test_what_is_on_its_way_is_not_waited_for(world: World) -> None:
    sent = [world.send(f"job-{number}") for number in range(100)]
    world.flights.land()
    assert not any(pending.waits for pending in sent)
    assert len(world.flights) == 100


def test_what_has_arrived_is_noted_in_order_up_to_what_has_not(world: World) -> None:
    first, second, third = (world.send(name) for name in ("a", "b", "c"))
    first.has_arrived = third.has_arrived = True
    world.flights.land()
    assert world.landed == ["a"]
    second.has_arrived = True
    world.flights.land()
    assert world.landed == ["a", "b", "c"]


def test_the_oldest_is_waited_for_where_too_many_are_on_their_way(world: World) -> None:
    oldest, _ = world.send("a", MOST_ALOFT), world.send("b")
    world.flights.land()
    assert oldest.waits == [SEND_TIMEOUT_S]
    assert world.landed == ["a"]


def test_what_failed_is_told(world: World) -> None:
    world.send("a").is_lost = True
    with pytest.raises(BusUnavailableError):
        world.flights.land()


def test_what_nobody_hears_of_is_a_failure_in_time(world: World) -> None:
    world.send("a")
    world.clock.advance(timedelta(seconds=SEND_TIMEOUT_S - 1))
    world.flights.land()
    world.clock.advance(timedelta(seconds=2))
    with pytest.raises(BusUnavailableError):
        world.flights.land()
