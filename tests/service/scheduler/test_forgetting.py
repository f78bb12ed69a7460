"""What is needed no more is forgotten; what may be started again is not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from common.messages import DeploymentState as D
from scheduler import forgetting
from scheduler.forgetting import Forgetting
from tests.service.scheduler.test_firing import EVERY_10, FIRST, instance
from tests.support.scheduler_world import World


def forget(world: World) -> None:
    Forgetting(world.scheduler, world.database).run_once()


def versions(world: World) -> set[int]:
    with world.admin.transaction() as transaction:
        return {row["version"] for row in transaction.all("past_versions")}


def test_answers_are_forgotten_once_they_are_old(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "PORTION", 2)
    world.apply(EVERY_10)
    for _ in range(5):
        world.ask("dance")
    forget(world)
    assert len(world.handled()) == 5
    world.run("answers_long_ago")
    forget(world)
    assert world.handled() == []


def test_a_version_is_kept_while_a_job_of_it_lives(world: World) -> None:
    world.apply(EVERY_10)
    world.pass_time(11)
    world.report(FIRST, D.RUNNING)
    world.apply(instance(command="[other]"), version=2)
    world.run("versions_long_ago")
    forget(world)
    assert versions(world) == {1}
    world.report(FIRST, D.SUCCEEDED)
    forget(world)
    assert versions(world) == {1}, "looked at again only after another thirty days"
    world.run("versions_long_ago")
    forget(world)
    assert versions(world) == set()


def test_a_job_of_a_forgotten_version_is_not_tried_again(world: World) -> None:
    world.apply(EVERY_10)
    world.pass_time(11)
    world.report(FIRST, D.FAILED, reason="exit_code")
    world.apply(instance(command="[other]"), version=2)
    world.run("versions_long_ago")
    forget(world)
    world.clock.advance(timedelta(seconds=1))
    world.ask("retry", FIRST)
    assert world.handled() == [("refused", "what it ran is forgotten; run the instance instead")]


def test_only_who_holds_the_first_shard_forgets(world: World) -> None:
    world.apply(EVERY_10)
    world.ask("dance")
    world.run("answers_long_ago")
    world.scheduler.leave()
    forget(world)
    assert len(world.handled()) == 1
