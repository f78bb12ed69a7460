"""A jump of the machine's clock neither starts nor ends anything."""

from datetime import UTC, datetime, timedelta

import pytest

from common.clock import ManualClock
from node_manager.client.steady_clock import SteadyClock

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class World:
    def __init__(self):
        self.wall = ManualClock(NOW)
        self.clock = SteadyClock(self.wall)
        self.has_complaint, self.heard_for_s = False, 1000.0
        self.clock.believe(lambda: self.has_complaint, lambda: self.heard_for_s)

    def jump(self, by):
        self.wall.set(self.wall.now() + by)
        self.clock.now()  # somebody always asks

    def wait(self, seconds):
        self.wall.advance(timedelta(seconds=seconds))
        return self.clock.now()


@pytest.fixture
def world():
    return World()


def test_small_corrections_are_followed(world):
    for _ in range(10):
        world.jump(timedelta(seconds=0.9))
        assert world.wait(1) == world.wall.now()
    assert world.clock.error() is None


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_a_jump_is_not_followed_while_the_platform_complains_or_does_not_hear_us(world, by):
    world.jump(by)
    world.has_complaint = True
    assert world.clock.now() == NOW
    assert world.wait(500) == NOW + timedelta(seconds=500)
    assert "jumped" in world.clock.error()
    world.has_complaint, world.heard_for_s = False, 3.0
    assert world.wait(1) == NOW + timedelta(seconds=501)


def test_a_jump_that_the_platform_finds_right_is_followed(world):
    world.jump(HOUR)
    assert world.wait(19) == NOW + timedelta(seconds=19)
    assert world.wait(1) == NOW + HOUR + timedelta(seconds=20)
    assert world.clock.error() is None


def test_a_clock_that_is_set_back_right_leaves_no_trace(world):
    world.jump(HOUR)
    world.wait(5)
    world.jump(-HOUR)
    assert world.wait(5) == NOW + timedelta(seconds=10)
    assert world.clock.error() is None
