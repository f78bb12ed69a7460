"""Hints of starts to come: where they go, and that a start goes there if that is as good."""

from collections import Counter
from datetime import timedelta

from common.messages import (
    JOB_COMMANDS,
    PrepareContainer,
    PrepareJob,
    RunSpec,
    StartContainer,
    StartJob,
    encode,
)
from tests.service.deployment_manager.bench import NOW

DUE = NOW + timedelta(seconds=20)


def prepare(bench, job_id="a.1.0", creates=True, machine="shared", **spec):
    start = StartJob(
        id=f"{job_id}/1", job_id=job_id, attempt=1, instance_id=job_id.partition(".")[0], due=DUE,
        ordinal=int(job_id.rpartition(".")[2]), start_by=DUE + timedelta(hours=1),
        spec=RunSpec(image="i", machine=machine, **spec))
    message = PrepareJob(job_id=job_id, start=start, creates=creates)
    bench.replica.producer.send(JOB_COMMANDS, job_id, encode(message))
    return start


def send(bench, start):
    bench.replica.producer.send(JOB_COMMANDS, start.job_id, encode(start))
    bench.step()


def hints(bench, *nodes):
    return {one.job_id: node for node in nodes for one in bench.commands(node, PrepareContainer)}


def test_a_hint_goes_to_the_least_loaded_node_and_leaves_no_trace(bench):
    bench.node("m1", load=(0.5, 0.5))
    bench.node("m2")
    prepare(bench)
    bench.step()
    (hint,) = bench.commands("m2", PrepareContainer)
    assert (hint.creates, hint.start.epoch, hint.start.not_before) == (True, 1, DUE)
    assert hint.keep_until == DUE + timedelta(seconds=60)
    assert (bench.database.rows(), bench.told(), bench.commands("m1", PrepareContainer)) == ({}, [], [])


def test_a_start_goes_where_its_container_waits_as_it_was_told(bench):
    bench.node("m1", load=(0.2, 0.2))
    bench.node("m2", load=(0.1, 0.1))
    start = prepare(bench)
    bench.step()
    bench.load("m2", 0.25, 0.25)  # by now a little more loaded than the other
    send(bench, start)
    (hint,), (command,) = bench.commands("m2", PrepareContainer), bench.commands("m2", StartContainer)
    assert (hint.start.epoch, hint.start.spec, hint.start.stop_at) == (command.epoch, command.spec, command.stop_at)


def test_a_start_goes_elsewhere_when_the_prepared_node_is_worse_or_closed(bench):
    bench.node("m1", load=(0.2, 0.2))
    bench.node("m2", load=(0.1, 0.1))
    first, second = prepare(bench, "a.1.0"), prepare(bench, "b.1.0")
    bench.step()
    assert set(hints(bench, "m1", "m2").values()) == {"m2"}
    bench.load("m2", 0.5, 0.5)
    send(bench, first)
    bench.load("m2", 0.1, 0.95)
    send(bench, second)
    assert {one.job_id for one in bench.commands("m1", StartContainer)} == {"a.1.0", "b.1.0"}


def test_a_burst_of_hints_spreads_as_the_starts_will(bench):
    for number in range(4):
        bench.node(f"m{number}", load=(0.1, 0.1))
    starts = [prepare(bench, f"j{number}.1.0", cpus=0.5) for number in range(12)]
    bench.step()
    told = hints(bench, "m0", "m1", "m2", "m3")
    assert set(Counter(told.values()).values()) == {3}
    for start in starts:
        bench.replica.producer.send(JOB_COMMANDS, start.job_id, encode(start))
    bench.step()
    placed = {job_id: row["node"] for (job_id, _), row in bench.database.rows().items()}
    assert placed == told


def test_ordinals_are_prepared_on_different_nodes(bench):
    bench.node("m1")
    bench.node("m2", load=(0.5, 0.5))
    prepare(bench, "a.1.0")
    prepare(bench, "a.1.1")
    bench.step()
    assert set(hints(bench, "m1", "m2").values()) == {"m1", "m2"}


def test_a_standalone_start_is_prepared_on_an_empty_node_and_keeps_nobody_out(bench):
    bench.node("m1", load=(0.1, 0.1))
    bench.node("m2", load=(0.4, 0.4))
    alone = prepare(bench, "a.1.0", machine="standalone")
    bench.step()
    assert hints(bench, "m1", "m2") == {"a.1.0": "m1"}
    bench.run_one("b.1.0")
    assert bench.database.row("b.1.0")["node"] == "m1"  # a hint reserves nothing
    send(bench, alone)
    assert (bench.database.row("a.1.0")["node"], bench.database.reservations()) == ("m2", {"m2": "a.1.0"})


def test_the_image_is_fetched_minutes_ahead_and_the_container_made_there(bench):
    bench.node("m1", load=(0.1, 0.1))
    bench.node("m2", load=(0.2, 0.2))
    prepare(bench, creates=False)
    bench.step()
    prepare(bench, creates=False)
    bench.step()
    bench.load("m1", 0.25, 0.25)
    prepare(bench)
    bench.step()
    assert [one.creates for one in bench.commands("m1", PrepareContainer)] == [False, True]
    assert bench.commands("m2", PrepareContainer) == []


def test_a_hint_after_its_start_or_too_late_or_without_a_node_is_dropped(bench):
    start = prepare(bench)
    bench.step()
    bench.node("m1")
    bench.step()
    send(bench, start)
    prepare(bench)
    bench.step()
    bench.pass_time(90)
    prepare(bench, "b.1.0")
    bench.step()
    assert bench.commands("m1", PrepareContainer) == []
    assert bench.replica.deployer.fleet.prepared == {}


def test_a_restart_forgets_hints_and_starts_all_the_same(bench):
    bench.node("m1")
    start = prepare(bench)
    bench.step()
    bench.restart()
    bench.node("m1")
    send(bench, start)
    assert bench.state() == "STARTING"
