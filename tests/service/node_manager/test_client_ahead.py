"""What a client gets ready for starts that will probably come, and what becomes of it."""

from datetime import timedelta

import pytest

from common.messages import PrepareContainer, RunSpec, StartContainer
from node_manager.client.domain.container import Policy
from tests.service.node_manager.client_bench import JOB, KEY, NOW, Bench

DUE = NOW + timedelta(seconds=20)
KEEP_UNTIL = DUE + timedelta(seconds=60)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def hint(bench, creates=True, node_id="m1", image="app", **spec):
    start = StartContainer(
        node_id=node_id, job_id=JOB, attempt=1, epoch=1, instance_id="hall-heating", due=DUE,
        ordinal=0, not_before=DUE, expires_at=DUE + timedelta(minutes=5),
        spec=RunSpec(image=image, **spec))
    bench.receive(PrepareContainer(node_id=node_id, job_id=JOB, start=start, creates=creates,
                                   keep_until=KEEP_UNTIL))
    bench.work()


def test_a_start_finds_its_container_waiting_and_is_not_made_early(bench):
    hint(bench)
    assert (bench.engine.created, bench.engine.starts, bench.told()) == ([KEY.name], [], [])
    bench.start(due=DUE)
    bench.pass_time(19)
    assert bench.engine.starts == []
    bench.pass_time(1)
    assert (bench.engine.created, bench.engine.starts) == ([KEY.name], [KEY.name])
    assert bench.states() == ["RUNNING"]
    assert bench.told()[0].epoch == 1


def test_a_hint_alone_never_starts_anything_and_goes_away(bench):
    hint(bench)
    bench.pass_time(79)
    assert bench.engine.inspect(KEY.name) is not None
    assert bench.agent.containers() == ()  # no heartbeat tells of it
    bench.pass_time(2)
    assert bench.engine.inspect(KEY.name) is None
    assert (bench.engine.starts, bench.told()) == ([], [])


def test_what_waits_over_a_crash_is_used_or_goes_away(bench):
    hint(bench)
    bench.restart()
    bench.work()
    bench.start(due=DUE)
    bench.pass_time(20)
    assert (len(bench.engine.created), bench.states()) == (1, ["RUNNING"])


def test_what_waits_over_a_crash_goes_away(bench):
    hint(bench)
    bench.restart()
    bench.pass_time(82)
    assert bench.engine.inspect(KEY.name) is None


def test_an_edit_since_makes_another_container(bench):
    hint(bench, env={"MODE": "eco"})
    bench.start(due=DUE, spec={"env": {"MODE": "full"}})
    bench.pass_time(20)
    assert (len(bench.engine.created), len(bench.engine.starts)) == (2, 1)
    assert bench.engine._containers[KEY.name].plan.environment["MODE"] == "full"


def test_a_stop_time_moved_since_makes_another_container(bench):
    """Its deadline is a label that others keep."""
    hint(bench)
    stop_at = DUE + timedelta(seconds=30)
    bench.start(due=DUE, stop_at=stop_at)
    bench.pass_time(20)
    assert bench.engine.inspect(KEY.name).stop_at == stop_at
    assert bench.states() == ["RUNNING"]


def test_a_stop_before_the_start_wins_over_what_waits(bench):
    hint(bench)
    bench.stop()
    bench.work()
    bench.start(due=DUE)
    bench.pass_time(30)
    assert (bench.engine.starts, bench.states()[0]) == ([], "GONE")
    assert bench.engine.inspect(KEY.name) is None


def test_a_hint_after_the_start_or_for_another_node_changes_nothing(bench):
    bench.start()
    bench.work()
    hint(bench)
    hint(bench, node_id="m2")
    assert len(bench.engine.created) == 1


def test_minutes_ahead_only_the_image_is_fetched(bench):
    bench.engine.pullable.add("far:1")
    hint(bench, creates=False, image="far:1")
    assert (bench.engine.pulled, bench.engine.created) == (["far:1"], [])
    hint(bench, creates=False, image="far:1")
    assert bench.engine.pulled == ["far:1"]
    hint(bench, image="far:1")
    assert bench.engine.created == [KEY.name]


def test_what_cannot_be_got_ready_is_told_by_the_start_alone(bench):
    hint(bench, image="nowhere:1")
    assert bench.told() == []
    bench.start(due=DUE, image="nowhere:1")
    bench.pass_time(21)
    assert [one.stop_cause for one in bench.told()] == ["pull_failed"]


def test_an_image_that_the_policy_does_not_allow_is_not_got_ready(tmp_path):
    bench = Bench(tmp_path)
    bench.policy = Policy(allowed=("other",))
    bench.restart()
    hint(bench)
    hint(bench, creates=False)
    assert (bench.engine.created, bench.engine.pulled, bench.told()) == ([], [], [])


def test_docker_away_while_getting_ready_costs_nothing(bench):
    bench.engine.is_down = True
    hint(bench)
    bench.engine.is_down = False
    bench.pass_time(3)
    assert bench.engine.created == [KEY.name]
