"""A deployment from command to end, on memory doors: starts, kills, doubles, expiry."""

from datetime import timedelta

import pytest

from common.db import DatabaseUnavailableError
from common.jobs import Reason
from common.messages import JOB_COMMANDS, JOB_EVENTS, ContainerState, StopCause, StopContainer
from tests.service.deployment_manager.bench import NOW, Replica


def test_a_start_is_placed_commanded_run_and_ended(bench):
    bench.node("m1", load=(0.9, 0.5))
    bench.node("m2")
    bench.start(stop_at=NOW + timedelta(minutes=5))
    bench.step()
    start = bench.started("m2")
    assert (start.epoch, start.not_before, start.stop_at) == (1, NOW, NOW + timedelta(minutes=5))
    bench.runs(start)
    bench.step()
    assert bench.state() == "RUNNING"
    bench.ends(start, exit_code=0)
    bench.step()
    assert [one.state for one in bench.told()] == ["STARTING", "RUNNING", "SUCCEEDED"]
    assert bench.commands("m1") == []
    row = bench.database.row("a.1.0")
    assert (row["state"], row["told_revision"]) == ("SUCCEEDED", row["revision"])


def test_why_here_is_kept_with_the_decision(bench):
    import json

    bench.node("m1", load=(0.95, 0.5))
    bench.node("m2", load=(0.4, 0.4))
    bench.node("m3")
    bench.start()
    bench.step()
    told = {one["node"]: one["verdict"] for one in json.loads(bench.database.row("a.1.0")["explanation"])}
    assert told == {"m3": "chosen", "m2": "more loaded", "m1": "over 90% of its CPU"}


def test_a_start_that_comes_again_and_again_is_started_once(bench):
    bench.node("m1")
    for _ in range(3):
        bench.start()
        bench.step()
    start = bench.started()
    bench.runs(start)
    bench.ends(start)
    bench.step()
    bench.start()
    bench.step()
    assert len(bench.commands("m1")) == 1
    assert bench.state() == "SUCCEEDED"


def test_a_kill_before_its_start_refuses_the_start(bench):
    bench.node("m1")
    bench.kill()
    bench.step()
    bench.start()
    bench.step()
    assert bench.commands("m1") == []
    assert (bench.state(), bench.told()[-1].reason) == ("CANCELLED", Reason.USER)


def test_a_kill_in_the_same_batch_as_its_start_wins(bench):
    bench.node("m1")
    bench.start()
    bench.kill()
    bench.step()
    assert bench.commands("m1") == []
    assert bench.state() == "CANCELLED"


def test_a_kill_comes_twice_and_is_commanded_until_confirmed(bench):
    bench.node("m1")
    start = bench.run_one()
    bench.kill()
    bench.step()
    bench.kill()
    bench.step()
    assert len(bench.commands("m1", StopContainer)) == 1
    assert bench.state() == "STOPPING"
    bench.pass_time(16)
    bench.step()
    assert len(bench.commands("m1", StopContainer)) == 2
    bench.ends(start, 143, StopCause.COMMAND)
    bench.step()
    bench.pass_time(60)
    bench.step()
    assert bench.state() == "CANCELLED"
    assert len(bench.commands("m1", StopContainer)) == 2


def test_a_kill_of_a_start_that_is_on_its_way_ends_as_the_client_answers(bench):
    bench.node("m1")
    bench.start(stop_at=NOW + timedelta(minutes=1))
    bench.step()
    start = bench.started()
    bench.kill(reason=Reason.END_TIME)
    bench.step()
    assert bench.commands("m1", StopContainer)[0].epoch == start.epoch
    bench.report(start, ContainerState.REFUSED, StopCause.COMMAND, started_at=None)
    bench.step()
    assert (bench.state(), bench.told()[-1].reason) == ("MISSED", Reason.WINDOW_CLOSED)


def test_a_running_report_after_the_end_is_a_stray_and_is_stopped(bench):
    bench.node("m1")
    start = bench.run_one()
    bench.ends(start)
    bench.step()
    bench.runs(start)
    bench.step()
    stop = bench.commands("m1", StopContainer)[-1]
    assert (stop.job_id, stop.epoch) == (start.job_id, start.epoch)
    assert bench.state() == "SUCCEEDED"


def test_a_container_that_nobody_knows_is_stopped(bench):
    bench.node("m1")
    bench.start()
    bench.step()
    start = bench.started()
    bench.database.erase(start.job_id)
    bench.restart()
    bench.runs(start)
    bench.step()
    assert bench.commands("m1", StopContainer)


@pytest.mark.parametrize(
    ("fields", "later_s", "reason"),
    [
        ({"start_by": NOW + timedelta(seconds=30)}, 31, Reason.START_DEADLINE),
        ({"stop_at": NOW + timedelta(seconds=30)}, 31, Reason.WINDOW_CLOSED),
    ],
)
def test_what_finds_no_node_in_time_is_missed_with_its_reason(bench, fields, later_s, reason):
    bench.node("m1", load=(0.95, 0.95))
    bench.start(**fields)
    bench.step()
    assert bench.told()[-1].why_not == {"m1": "over 90% of its CPU"}
    bench.pass_time(later_s)
    bench.step()
    assert (bench.state(), bench.told()[-1].reason) == ("MISSED", reason)
    assert bench.commands("m1") == []


def test_a_start_that_comes_after_its_deadline_is_missed(bench):
    bench.node("m1")
    bench.start(start_by=NOW)
    bench.step()
    assert (bench.state(), bench.commands("m1")) == ("MISSED", [])


def test_a_start_before_its_due_time_is_commanded_with_that_time(bench):
    bench.node("m1")
    due = NOW + timedelta(minutes=5)
    bench.start(due=due)
    bench.step()
    assert bench.started().not_before == due


def test_waiting_for_a_node_is_told_once_and_ends_with_room(bench):
    bench.start()
    for _ in range(5):
        bench.step()
        bench.pass_time(1)
    assert [one.why_not for one in bench.told()] == [{"*": "no node is known yet"}]
    bench.node("m1", load=(0.95, 0.2))
    bench.step()
    bench.load("m1", 0.2, 0.2)
    bench.step()
    assert bench.state() == "STARTING"


def test_kafka_away_loses_nothing(bench):
    bench.node("m1")
    bench.start()
    bench.replica.step()
    bench.start("b.1.0")
    records = [r for r in bench.bus.records(JOB_COMMANDS) if r.key == "b.1.0"]
    from common.bus.receive import Received
    from common.messages import decode

    bench.bus.available = False
    bench.replica.deployer.receive_commands(
        [Received(decode(JOB_COMMANDS, r.value), r) for r in records])
    assert bench.database.row("b.1.0")["state"] == "STARTING"
    bench.bus.available = True
    bench.step()
    assert bench.started(job_id="b.1.0")
    assert bench.state("b.1.0") == "STARTING"
    bench.pass_time(6)
    bench.step()
    assert bench.database.row("b.1.0")["is_commanded"]
    assert len(bench.commands("m1")) == 2


def test_a_node_without_a_topic_yet_harms_nobody_else(bench):
    bench.node("m1", load=(0.5, 0.5))
    bench.step()
    bench.start("b.1.0", spec={"node_labels": {"zone": "x"}})
    from common.messages import NODES, NodeChanged, encode

    bench.replica.producer.send(NODES, "m9", encode(NodeChanged(
        node_id="m9", state="ACTIVE", revision=1, boot_id="b", address="a", log_port=1,
        labels={"zone": "x"}, cpus=1, memory_bytes=1 << 34, since=NOW)))
    bench.start()
    bench.step()
    assert bench.state("b.1.0") == "STARTING"
    assert bench.started("m1")
    dead = list(bench.bus.records(f"{JOB_COMMANDS}.dlq"))
    assert dead == []


def test_at_most_so_many_starts_are_commanded_to_a_node_at_once(bench):
    from deployment_manager.sending import STARTS_AT_ONCE

    bench.node("m1", cpus=64.0, memory_bytes=1 << 40)
    for number in range(STARTS_AT_ONCE + 5):
        bench.start(f"a.{number:02}.0", instance_id=f"a{number}")
    bench.step()
    assert len(bench.commands("m1")) == STARTS_AT_ONCE
    for start in bench.commands("m1")[:5]:
        bench.runs(start)
    bench.step()
    assert len({one.job_id for one in bench.commands("m1")}) == STARTS_AT_ONCE + 5


def test_a_start_without_an_answer_is_commanded_again_to_the_same_node(bench):
    bench.node("m1")
    bench.node("m2", load=(0.3, 0.3))
    bench.start()
    bench.step()
    bench.load("m1", 0.8, 0.8)
    bench.pass_time(16)
    bench.step()
    assert len(bench.commands("m1")) == 2
    assert bench.commands("m2") == []


def test_a_restart_with_everything_in_flight_goes_on(bench):
    bench.node("m1")
    running, stopping = bench.run_one("a.1.0"), bench.run_one("b.1.0")
    bench.kill("b.1.0")
    bench.start("c.1.0")
    bench.start("d.1.0", spec={"cpus": 9.0})
    bench.step()
    bench.restart()
    bench.step()
    assert set(bench.replica.deployer.fleet.live) == {(f"{x}.1.0", 1) for x in "abcd"}
    assert bench.commands("m1", StopContainer, "b.1.0")
    bench.ends(running)
    bench.ends(stopping, 143, StopCause.COMMAND)
    bench.runs(bench.started(job_id="c.1.0"))
    bench.step()
    states = {job: bench.state(f"{job}.1.0") for job in "abcd"}
    assert states == {"a": "SUCCEEDED", "b": "CANCELLED", "c": "RUNNING", "d": "PENDING"}
    assert {one.epoch for one in bench.commands("m1", job_id="c.1.0")} == {1}


def test_a_start_command_survives_its_way_through_the_database(bench):
    fields = {"spec": {"command": ("a", "ü\u2028'\"\\", "%s"), "env": {"K": "v\n"}, "cpus": 1.0,
                       "memory_bytes": 2**33 + 1, "node_labels": {}, "timeout_s": 7}}
    bench.start(stop_at=NOW + timedelta(hours=2, microseconds=1), **fields)
    bench.step()
    bench.restart()
    bench.node("m1", memory_bytes=2**40)
    bench.step()
    start = bench.started()
    assert start.spec.command == ("a", "ü\u2028'\"\\", "%s")
    assert (start.spec.memory_bytes, start.spec.cpus) == (2**33 + 1, 1.0)
    assert start.stop_at == NOW + timedelta(hours=2, microseconds=1)


def test_snapshots_are_marked_as_told_and_not_told_again(bench):
    bench.node("m1")
    start = bench.run_one()
    bench.ends(start)
    bench.step()
    count = len(bench.bus.records(JOB_EVENTS))
    bench.step()
    bench.restart()
    bench.step()
    assert len(bench.bus.records(JOB_EVENTS)) == count


def test_a_commit_of_unknown_outcome_is_looked_up_and_not_done_twice(bench):
    bench.node("m1")
    bench.step()
    for outcome in ("commit", "committed"):
        job_id = f"{outcome}.1.0"
        bench.start(job_id)
        bench.database.fail = outcome
        with pytest.raises(DatabaseUnavailableError):
            bench.step()
        bench.step()
        assert [one.epoch for one in bench.commands("m1", job_id=job_id)] == [1]
        assert bench.database.row(job_id)["state"] == "STARTING"


def test_a_standby_does_nothing_and_takes_over_when_the_leader_is_silent(bench):
    bench.node("m1")
    bench.start()
    bench.step()
    other = Replica(bench, "two")
    assert not other.deployer.lead()
    bench.pass_time(9)
    assert other.deployer.lead()
    other.step()
    assert ("a.1.0", 1) in other.deployer.fleet.live


def test_an_earlier_life_under_the_same_name_writes_nothing(bench):
    bench.node("m1")
    bench.step()
    zombie = bench.replica
    bench.restart("one")
    bench.start()
    bench.step()
    from deployment_manager.service import NotLeadingError

    with pytest.raises(NotLeadingError):
        zombie.deployer.run(lambda round_: None)
    bench.runs(bench.started())
    bench.step()
    assert bench.state() == "RUNNING"


def test_a_command_that_comes_again_has_its_outcome_told_again(bench):
    bench.node("m1")
    bench.ends(bench.run_one())
    bench.step()
    count = len(bench.told())
    bench.kill()
    bench.step()
    assert len(bench.told()) == count + 1
    assert bench.told()[-1].state == "SUCCEEDED"


def test_a_frozen_leader_that_wakes_up_writes_nothing(bench):
    bench.node("m1")
    bench.step()
    zombie = bench.replica
    bench.pass_time(60)
    bench.restart("two")
    bench.start()
    bench.step()
    before = bench.database.rows()
    from deployment_manager.service import NotLeadingError

    with pytest.raises(NotLeadingError):
        zombie.deployer.run(lambda round_: round_.put(
            next(iter(bench.replica.deployer.fleet.live.values())).changed(state="LOST")))
    assert bench.database.rows() == before
    assert not zombie.deployer.lead()


def test_a_kill_of_what_has_ended_is_answered_with_its_end(bench):
    """The last event may have been lost: who still wants the job dead hears how it ended."""
    bench.node("m1")
    start = bench.run_one()
    bench.ends(start, 3)
    bench.step()
    known = len(bench.told())
    bench.restart()
    bench.kill()
    bench.step()
    again = bench.told()[known:]
    assert [(one.state, one.exit_code) for one in again] == [("FAILED", 3)]
    assert again[0].revision == bench.told()[known - 1].revision
    assert bench.commands("m1", StopContainer) == []
