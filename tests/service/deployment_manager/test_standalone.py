"""Standalone jobs on memory doors: a node for themselves, and one held back for those that wait."""

from datetime import timedelta

import pytest

from common.bus.receive import Received
from common.jobs import Reason
from common.messages import StartContainer, StopCause, StopContainer, decode
from deployment_manager.service import NotLeadingError
from tests.service.deployment_manager.bench import NOW, Replica


def test_a_standalone_job_has_its_node_for_itself(bench):
    bench.node("m1")
    bench.run_one("a.1.0", machine="standalone")
    bench.start("b.1.0")
    bench.start("c.1.0", machine="standalone")
    bench.step()
    assert bench.told("b.1.0")[-1].why_not == {"m1": "reserved for a standalone job"}
    assert bench.state("c.1.0") == "PENDING"
    assert bench.database.reservations() == {"m1": "a.1.0"}


def test_a_standalone_job_waits_until_the_node_is_empty(bench):
    bench.node("m1")
    start = bench.run_one("a.1.0")
    bench.start("b.1.0", machine="standalone")
    bench.step()
    assert bench.told("b.1.0")[-1].why_not == {"m1": "not empty, and the job is standalone"}
    bench.ends(start)
    bench.step()
    assert bench.started(job_id="b.1.0")


@pytest.mark.parametrize("order", [("shared", "standalone"), ("standalone", "shared")])
def test_two_replicas_never_give_one_node_to_a_standalone_job_and_another(bench, order):
    bench.node("m1")
    bench.step()
    first, bench.replica = bench.replica, Replica(bench, "two")
    bench.start("a.1.0", machine=order[0])
    records = bench.bus.records("job.commands")
    bench.pass_time(9)
    bench.step()
    bench.start("b.1.0", machine=order[1])
    late = [r for r in bench.bus.records("job.commands") if r not in records]
    with pytest.raises(NotLeadingError):  # it has not heard of `a` and would place `b`
        first.deployer.receive_commands([Received(decode("job.commands", r.value), r) for r in late])
    bench.step()
    rows = bench.database.rows()
    assert [rows[f"{x}.1.0", 1]["state"] for x in "ab"] == ["STARTING", "PENDING"]


def test_the_database_itself_refuses_an_intruder(bench):
    bench.node("m1")
    bench.run_one("a.1.0", machine="standalone")
    deployer = bench.replica.deployer
    deployer.fleet.pool.candidates["m1"].has_standalone = False
    deployer.fleet.pool.touch(deployer.fleet.pool.candidates["m1"])
    from deployment_manager.store import IntruderError

    bench.start("b.1.0")
    with pytest.raises(IntruderError):
        bench.step()
    bench.step()
    assert bench.state("b.1.0") == "PENDING"


def test_a_standalone_job_due_when_another_stops_on_the_only_node_follows_it(bench):
    """The vector of schedule.md, 5: at 10:00 A is killed and confirmed, then B."""
    bench.node("m1")
    a = bench.run_one("a.1.0", machine="standalone", stop_at=NOW + timedelta(hours=1))
    bench.pass_time(3600)
    bench.kill("a.1.0", reason=Reason.END_TIME)
    bench.start("b.2.0", machine="standalone")
    bench.step()
    assert bench.commands("m1", StartContainer, "b.2.0") == []
    assert len(bench.commands("m1", StopContainer, "a.1.0")) == 1
    bench.ends(a, 143, StopCause.COMMAND)
    bench.step()
    assert (bench.state("a.1.0"), bench.told("a.1.0")[-1].reason) == ("ENDED", Reason.END_TIME)
    assert bench.started(job_id="b.2.0")
    assert bench.database.reservations() == {"m1": "b.2.0"}


def _second_of_steady_load(bench, second, running):
    """Every 5 s a job of 20 s comes: each of two nodes always has one, and a next before its end."""
    for name in [name for name, (_, ends) in running.items() if ends <= second]:
        bench.ends(running.pop(name)[0])
    if second % 5 == 0:
        bench.start(f"s{second}.1.0")
    bench.step()
    for (name, _), row in bench.database.rows().items():
        if row["state"] == "STARTING" and name.startswith("s") and name not in running:
            start = bench.started(row["node"], name)
            bench.runs(start)
            running[name] = (start, second + 20)
    bench.step()
    bench.pass_time(1)
    for node in ("m1", "m2"):
        jobs = sum(1 for start, _ in running.values() if start.node_id == node)
        bench.load(node, 0.1 + 0.1 * jobs, 0.2)


def test_a_standalone_job_gets_a_node_beside_a_steady_shared_load(bench):
    bench.node("m1")
    bench.node("m2")
    running = {}
    for second in range(30):
        _second_of_steady_load(bench, second, running)
    bench.start("z.1.0", machine="standalone")
    waited_s = 0
    while bench.state("z.1.0") != "STARTING" and waited_s < 200:
        _second_of_steady_load(bench, 30 + waited_s, running)
        waited_s += 1
    assert 60 <= waited_s <= 60 + 22  # held after a minute, then at most the time of one job
    assert len(bench.database.reservations()) == 1


def test_a_node_held_back_says_so_and_is_given_back_with_the_job_that_waited(bench):
    bench.node("m1")
    other = bench.run_one("a.1.0")
    bench.start("z.1.0", machine="standalone")
    bench.step()
    bench.pass_time(61)
    bench.load("m1", 0.1, 0.2)
    bench.step()
    bench.start("b.1.0")
    bench.step()
    assert "held back for z.1.0" in bench.told("b.1.0")[-1].why_not["m1"]
    bench.restart()
    bench.node("m1")
    bench.step()
    bench.start("c.1.0")
    bench.step()
    assert "held back for z.1.0" in bench.told("c.1.0")[-1].why_not["m1"]
    bench.kill("z.1.0")
    bench.step()
    assert (bench.state("z.1.0"), bench.state("b.1.0")) == ("CANCELLED", "STARTING")
    assert bench.database.row("a.1.0")["node"] == other.node_id


def test_no_node_is_held_for_a_job_that_could_never_run_there(bench):
    bench.node("m1", labels={"zone": "a"})
    bench.run_one("a.1.0")
    bench.start("z.1.0", machine="standalone", spec={"node_labels": {"zone": "b"}})
    bench.step()
    bench.pass_time(61)
    bench.load("m1", 0.1, 0.2)
    bench.step()
    bench.start("b.1.0")
    bench.step()
    assert bench.state("b.1.0") == "STARTING"
