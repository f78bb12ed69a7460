"""Nodes and their jobs, on memory doors: loss, return, missing containers, failed kills."""

from datetime import timedelta

import pytest

from common.jobs import Reason
from common.messages import ContainerState, NodeState, StopCause, StopContainer
from tests.service.deployment_manager.bench import NOW


def pass_beats(bench, seconds, *starts, node="m1", **fields):
    """Let a node send its heartbeats for a while."""
    for _ in range(seconds // 5):
        bench.pass_time(5)
        bench.beat(node, *starts, **fields)
        bench.step()


def test_ordinals_go_to_different_nodes(bench):
    for name in ("m1", "m2", "m3"):
        bench.node(name, load=(0.1 * int(name[1]), 0.2))
    for ordinal in range(3):
        bench.start(f"a.1.{ordinal}")
    bench.step()
    nodes = {bench.database.row(f"a.1.{n}")["node"] for n in range(3)}
    assert nodes == {"m1", "m2", "m3"}


@pytest.mark.parametrize("state", [NodeState.SUSPECT, NodeState.DRAINING, NodeState.LOST])
def test_a_node_that_is_not_active_gets_nothing_new(bench, state):
    bench.node("m1", state, reason="so it is")
    bench.start()
    bench.step()
    assert bench.told()[-1].why_not == {"m1": f"{state.lower()}: so it is"}
    bench.node("m1")
    bench.step()
    assert bench.started()


def test_a_lost_nodes_job_waits_for_it_and_is_found_again(bench):
    bench.node("m1")
    bench.node("m2", load=(0.5, 0.5))
    start = bench.run_one()
    bench.node("m1", NodeState.LOST)
    bench.step()
    assert (bench.state(), bench.told()[-1].reason) == ("UNKNOWN", Reason.NODE_LOST)
    bench.node("m1")
    bench.beat("m1", start)
    bench.step()
    assert bench.state() == "RUNNING"
    assert bench.commands("m2") == []


def test_a_lost_nodes_job_may_fail_at_once_and_what_still_runs_is_stopped_later(bench):
    bench.node("m1")
    start = bench.run_one(on_node_lost="fail")
    bench.node("m1", NodeState.LOST)
    bench.step()
    assert bench.state() == "LOST"
    bench.node("m1")
    bench.beat("m1", start)
    bench.step()
    assert bench.commands("m1", StopContainer)


def test_a_job_is_rescheduled_only_after_its_old_node_has_confirmed(bench):
    bench.node("m1")
    bench.node("m2", load=(0.5, 0.5))
    old = bench.run_one(on_node_lost="reschedule")
    bench.node("m1", NodeState.LOST)
    bench.step()
    bench.pass_time(600)
    bench.step()
    assert bench.commands("m2") == []  # it may still run there
    bench.node("m1")
    pass_beats(bench, 30)
    assert bench.commands("m2") == []  # its start may still be on its way to it
    stop = bench.commands("m1", StopContainer)[-1]
    assert (stop.job_id, stop.epoch) == (old.job_id, old.epoch)
    bench.report(old, ContainerState.GONE, StopCause.COMMAND, started_at=None)
    bench.step()
    assert bench.state() == "LOST"
    bench.start(attempt=2, on_node_lost="reschedule")  # as the scheduler does then
    bench.step()
    assert bench.started("m2").attempt == 2
    bench.runs(old)  # late news of the old placement change nothing
    bench.step()
    assert (bench.state(), bench.database.row("a.1.0", 2)["node"]) == ("STARTING", "m2")


def test_a_rescheduled_job_that_had_ended_all_the_same_is_not_run_again(bench):
    bench.node("m1")
    bench.node("m2", load=(0.5, 0.5))
    start = bench.run_one(on_node_lost="reschedule")
    bench.node("m1", NodeState.LOST)
    bench.step()
    bench.node("m1")
    pass_beats(bench, 30)
    bench.ends(start, 0)
    bench.step()
    assert bench.state() == "SUCCEEDED"
    assert bench.commands("m2") == []


def test_the_jobs_of_a_removed_node_are_moved_or_lost(bench):
    bench.node("m1")
    bench.node("m2", load=(0.5, 0.5))
    bench.start("a.1.0", on_node_lost="reschedule")
    bench.step()
    for name in "bc":
        bench.run_one(f"{name}.1.0", on_node_lost="reschedule" if name == "c" else "wait")
    bench.node("m1", NodeState.REMOVED, load=None)
    bench.step()
    assert bench.started("m2").epoch == 2
    assert (bench.state("b.1.0"), bench.state("c.1.0")) == ("LOST", "LOST")


def test_another_attempt_avoids_the_node_the_first_was_lost_on(bench):
    bench.node("m1")
    bench.node("m2", load=(0.6, 0.6))
    bench.run_one(on_node_lost="fail")
    bench.node("m1", NodeState.LOST)
    bench.step()
    bench.node("m1")
    bench.start(attempt=2)
    bench.step()
    assert bench.database.row("a.1.0", 2)["node"] == "m2"


def test_a_heartbeat_before_the_start_is_confirmed_proves_nothing(bench):
    """Its image may take minutes to come."""
    bench.node("m1")
    bench.start()
    bench.step()
    pass_beats(bench, 300)
    assert bench.state() == "STARTING"
    bench.runs(bench.started())
    bench.step()
    assert bench.state() == "RUNNING"


def test_a_start_that_never_happened_is_missed_after_its_last_moment(bench):
    bench.node("m1")
    bench.start(start_by=NOW + timedelta(minutes=1))
    bench.step()
    pass_beats(bench, 90)
    assert (bench.state(), bench.told()[-1].reason) == ("MISSED", Reason.START_DEADLINE)


def test_a_running_container_that_is_not_there_any_more_is_asked_for_and_then_lost(bench):
    bench.node("m1")
    start = bench.run_one()
    pass_beats(bench, 10, start)
    pass_beats(bench, 10)
    assert bench.state() == "RUNNING"
    pass_beats(bench, 20)
    assert bench.commands("m1", StopContainer)  # asked how it ended; its client would answer
    assert (bench.state(), bench.told()[-1].reason) == ("LOST", Reason.NODE_LOST)


def test_an_ended_container_whose_report_is_late_is_asked_for_and_not_lost(bench):
    bench.node("m1")
    start = bench.run_one()
    pass_beats(bench, 60, start, state=ContainerState.EXITED)
    assert bench.state() == "RUNNING"
    assert bench.commands("m1", StopContainer)
    bench.ends(start, 3)
    bench.step()
    assert (bench.state(), bench.told()[-1].exit_code) == ("FAILED", 3)


def test_one_old_heartbeat_after_another_proves_nothing(bench):
    """A backlog of heartbeats from before the start comes all at once."""
    bench.node("m1")
    bench.step()
    for _ in range(20):
        bench.beat("m1")
        bench.pass_time(5)
    bench.run_one()
    bench.step()
    assert bench.state() == "RUNNING"


def test_a_node_whose_clock_is_ahead_is_compared_all_the_same(bench):
    bench.node("m1")
    bench.start()
    bench.step()
    start = bench.started()
    bench.report(start, ContainerState.RUNNING, started_at=NOW + timedelta(hours=1))
    bench.step()
    pass_beats(bench, 30)
    assert bench.state() == "LOST"


def test_a_step_of_the_clock_loses_nothing(bench):
    bench.node("m1")
    start = bench.run_one()
    bench.clock.set(NOW + timedelta(hours=1))
    bench.beat("m1")
    bench.step()
    bench.beat("m1", start)
    bench.step()
    assert bench.state() == "RUNNING"


def test_a_kill_that_is_not_confirmed_is_raised_escalated_and_its_node_cordoned(bench):
    bench.node("m1")
    bench.node("m2", load=(0.5, 0.5))
    start = bench.run_one()
    bench.kill()
    bench.step()
    for _ in range(5):
        bench.pass_time(16)
        bench.step()
    assert bench.told()[-1].kill_failed
    assert bench.commands("m1", StopContainer)[-1].grace_s == 0
    assert bench.database.cordons() == ["m1"]
    bench.start("b.1.0")
    bench.step()
    assert bench.database.row("b.1.0")["node"] == "m2"
    bench.restart()
    bench.step()
    assert list(bench.replica.deployer.fleet.cordons) == ["m1"]
    bench.ends(start, 137, StopCause.COMMAND)
    bench.step()
    assert bench.state() == "CANCELLED"
    assert bench.database.cordons() == []


def test_a_kill_on_a_lost_node_stays_wanted_until_the_node_is_back(bench):
    bench.node("m1")
    start = bench.run_one()
    bench.node("m1", NodeState.LOST)
    bench.step()
    bench.kill()
    bench.step()
    assert bench.state() == "STOPPING"
    bench.pass_time(3600)
    bench.step()
    bench.node("m1")
    bench.beat("m1", start)
    bench.step()
    bench.ends(start, 143, StopCause.COMMAND)
    bench.step()
    assert bench.state() == "CANCELLED"
    assert bench.database.cordons() == []


def drained(bench, mode):
    bench.node("m1", NodeState.DRAINING, drain=mode)
    bench.step()


def test_a_drain_that_waits_lets_jobs_end_by_themselves(bench):
    bench.node("m1")
    start = bench.run_one(on_node_lost="reschedule")
    drained(bench, "wait")
    assert bench.commands("m1", StopContainer) == []
    bench.ends(start)
    bench.start("b.1.0")
    bench.step()
    assert (bench.state(), bench.state("b.1.0")) == ("SUCCEEDED", "PENDING")


def test_a_drain_that_moves_takes_only_what_may_and_has_somewhere_to_go(bench):
    bench.node("m1")
    mover = bench.run_one("a.1.0", on_node_lost="reschedule")
    bench.run_one("b.1.0")
    drained(bench, "move")
    assert bench.commands("m1", StopContainer) == []  # there is nowhere to go
    bench.node("m2")
    bench.step()
    assert [one.job_id for one in bench.commands("m1", StopContainer)] == ["a.1.0"]
    assert bench.commands("m2") == []
    bench.ends(mover, 143, StopCause.COMMAND)
    bench.step()
    assert (bench.state("a.1.0"), bench.state("b.1.0")) == ("LOST", "RUNNING")
    bench.start("a.1.0", attempt=2, on_node_lost="reschedule")  # as the scheduler does then
    bench.step()
    assert bench.started("m2").attempt == 2


def test_a_move_that_meets_a_kill_is_killed(bench):
    bench.node("m1")
    bench.node("m2", load=(0.5, 0.5))
    mover = bench.run_one(on_node_lost="reschedule")
    drained(bench, "move")
    bench.kill()
    bench.step()
    bench.ends(mover, 143, StopCause.COMMAND)
    bench.step()
    assert (bench.state(), bench.commands("m2")) == ("CANCELLED", [])


def test_a_drain_by_force_stops_all(bench):
    bench.node("m1")
    starts = [bench.run_one(f"{name}.1.0") for name in "ab"]
    drained(bench, "force")
    assert len(bench.commands("m1", StopContainer)) == 2
    for start in starts:
        bench.ends(start, 143, StopCause.COMMAND)
    bench.step()
    assert {bench.state(f"{name}.1.0") for name in "ab"} == {"CANCELLED"}
    bench.node("m1")
    bench.start("c.1.0")
    bench.step()
    assert bench.started(job_id="c.1.0")


def test_an_operator_who_drains_a_cordoned_node_takes_it_over(bench):
    bench.node("m1")
    bench.run_one()
    bench.kill()
    for _ in range(6):
        bench.step()
        bench.pass_time(16)
    assert bench.database.cordons() == ["m1"]
    drained(bench, "wait")
    bench.node("m1")
    bench.start("b.1.0")
    bench.step()
    assert bench.database.cordons() == []
    assert bench.started(job_id="b.1.0")


def test_old_samples_give_way_to_the_least_recently_used(bench):
    bench.node("m1", load=(0.8, 0.8))
    bench.node("m2", load=(0.1, 0.1))
    bench.step()
    bench.pass_time(31)
    bench.step()
    for number in range(4):
        bench.start(f"a{number}.1.0")
        bench.step()
        bench.pass_time(1)
    nodes = [bench.database.row(f"a{n}.1.0")["node"] for n in range(4)]
    assert sorted(nodes[:2]) == sorted(nodes[2:]) == ["m1", "m2"]
    assert bench.database.row("a0.1.0")["node_load"] is None


def test_a_load_that_is_heard_before_its_node_counts(bench):
    bench.load("m1", 0.5, 0.5)
    bench.step()
    bench.node("m1", load=None)
    bench.start()
    bench.step()
    assert bench.database.row("a.1.0")["node_load"] == pytest.approx(0.5)


def test_rows_of_long_ago_are_removed_and_others_kept(bench):
    bench.node("m1")
    bench.ends(bench.run_one("a.1.0"))
    bench.run_one("b.1.0")
    bench.step()
    bench.pass_time(31 * 86400)
    bench.replica.deployer.forget_ended()
    assert list(bench.database.rows()) == [("b.1.0", 1)]
