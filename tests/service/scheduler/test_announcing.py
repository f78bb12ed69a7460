"""What is told ahead of due times: hints alone, and those of starts that will probably come."""

from __future__ import annotations

from datetime import timedelta

import pytest

from common.messages import JOB_COMMANDS, DeploymentState, PrepareJob, StartJob, decode
from scheduler.announcing import EVERY_S, SOON_S, Announcer
from tests.support.scheduler_world import NOON, World

MINUTES = '{start: "2026-03-02T12:10", interval: 10m}'
MINUTE = '{start: "2026-03-02T12:01", interval: 1m}'


def instance(name: str = "a", schedule: str = MINUTES, **keys: str) -> str:
    body = {"schedule": schedule} | keys
    return f"  - {{id: {name}, {', '.join(f'{k}: {v}' for k, v in body.items() if v)}}}\n"


def watch(world: World, seconds: int) -> list[tuple[float, str, bool]]:
    """Let time pass with the announcer beside; return what it said: when, of which job, and what."""
    announcer = Announcer(world.scheduler, world.database, world.bus.producer(), world.clock)
    said: list[tuple[float, str, bool]] = []
    for _ in range(seconds):
        known = len(world.bus.records(JOB_COMMANDS))
        announcer.run_once()
        at = (world.clock.now() - NOON).total_seconds()
        for record in world.bus.records(JOB_COMMANDS)[known:]:
            hint = decode(JOB_COMMANDS, record.value)
            assert isinstance(hint, PrepareJob)
            said.append((at, hint.job_id, hint.creates))
        world.pass_time(1)
    return said


def test_an_image_is_asked_for_five_minutes_ahead_and_a_container_twenty_seconds(
    world: World,
) -> None:
    world.apply(instance())
    job = "a.20260302T121000Z.0"
    assert watch(world, 601) == [(300, job, False), (580, job, True)]
    assert len(world.commands(PrepareJob)) == 2


def test_what_is_told_is_the_start_as_it_is_sent_then(world: World) -> None:
    world.apply(instance(schedule=MINUTE, instances="2", resources="{cpus: 0.5}"))
    watch(world, 61)
    hints = {one.job_id: one.start for one in world.commands(PrepareJob) if one.creates}
    assert hints == {one.job_id: one for one in world.commands(StartJob)}
    assert len(hints) == 2


@pytest.mark.parametrize(
    ("keys", "overlap", "hinted"),
    [({}, "skip", 0), ({}, "replace", 1), ({}, "allow", 1), ({"paused": True}, "allow", 0)],
)
def test_a_start_that_may_not_come_is_not_announced(
    world: World, keys: dict[str, bool], overlap: str, hinted: int
) -> None:
    """The job before still runs; or the schedule is paused."""
    world.apply(instance(schedule=MINUTE, overlap=overlap))
    world.pass_time(61)
    world.report("a.20260302T120100Z.0", DeploymentState.RUNNING)
    if keys:
        world.apply(instance(schedule=MINUTE, overlap=overlap), 2, **keys)
    said = watch(world, 55)
    assert len([one for one in said if one[2]]) == hinted


def test_a_job_that_ends_in_time_lets_the_next_be_announced(world: World) -> None:
    world.apply(instance(schedule=MINUTE))
    world.pass_time(61)
    world.report("a.20260302T120100Z.0", DeploymentState.RUNNING)
    assert [one for one in watch(world, 49) if one[2]] == []
    world.report("a.20260302T120100Z.0", DeploymentState.SUCCEEDED)
    assert [(at, job) for at, job, creates in watch(world, 3) if creates] == [
        (110, "a.20260302T120200Z.0")
    ]


def test_who_waits_for_parents_and_who_holds_no_shards_is_not_told_of(world: World) -> None:
    world.apply(instance("p", MINUTE) + instance("c", MINUTE, depends_on="[p]"))
    assert {job.partition(".")[0] for _, job, _ in watch(world, 59)} == {"p"}
    world.scheduler.leave()
    assert watch(world, 1) == []


def test_nothing_is_told_while_the_clock_is_not_trusted(world: World) -> None:
    world.apply(instance(schedule=MINUTE))
    world.scheduler.may_fire = lambda: False
    assert watch(world, 50) == []


def test_an_edit_after_the_hint_is_told_anew_for_its_own_due_time(world: World) -> None:
    world.apply(instance(schedule=MINUTE))
    first, second = "a.20260302T120100Z.0", "a.20260302T120105Z.0"
    assert [job for _, job, creates in watch(world, 50) if creates] == [first]
    world.apply(instance(schedule='{start: "2026-03-02T12:01:05", interval: 1m}'), 2)
    assert [job for _, job, creates in watch(world, 3) if creates] == [second]
    world.pass_time(15)
    assert [one.due - NOON for one in world.commands(StartJob)] == [timedelta(seconds=65)]


def test_a_storm_is_announced_in_part_and_starts_whole(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.announcing.MOST_A_ROUND", 5)
    world.apply("".join(instance(f"i{n}", MINUTE) for n in range(12)))
    watch(world, 62)
    hinted = {one.job_id for one in world.commands(PrepareJob) if one.creates}
    assert 5 <= len(hinted) <= 12
    assert len(world.commands(StartJob)) == 12


def test_many_hints_go_out_a_few_at_a_time_and_the_next_ones_soon(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.announcing.MOST_AT_ONCE", 5)
    world.apply("".join(instance(f"i{n}", MINUTE) for n in range(12)))
    announcer = Announcer(world.scheduler, world.database, world.bus.producer(), world.clock)
    world.clock.advance(timedelta(seconds=45))
    told = []
    for _ in range(4):
        pause_s = announcer.run_once()
        told.append((pause_s, len({one.job_id for one in world.commands(PrepareJob) if one.creates})))
    assert told == [(SOON_S, 5), (SOON_S, 10), (EVERY_S, 12), (EVERY_S, 12)]
