"""One broker or three: the number, the seats, who may leave, and the order of the steps."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_initializer.document import DocumentError, parse_description
from platform_initializer.domain.brokers import (
    assign_seats,
    count_brokers,
    holds_quorum,
    why_not_leave,
)
from platform_initializer.domain.description import ServiceWish
from platform_initializer.domain.facts import ContainerFact, Facts
from platform_initializer.domain.steps import Risk
from platform_initializer.errors import MachineError
from platform_initializer.planning import plan
from platform_initializer.steps.brokers import require_possible
from tests.unit.platform_initializer.worlds import change, container, converged, world

GIB = 1 << 30
SMALL, LARGE = Facts(cpus=2, memory=4 * GIB), Facts(cpus=4, memory=8 * GIB - (300 << 20))
RUNNING = ContainerFact("kafka", "h", "running", 0, "i", "i", "t")


def fleet(*facts):
    return {f"m{number}": one for number, one in enumerate(facts, 1)}


@pytest.mark.parametrize(
    ("wanted", "facts", "seats", "count", "machines"),
    [
        (None, fleet(SMALL, SMALL, SMALL), {}, 1, ("m1", "m2", "m3")),
        (None, fleet(LARGE, LARGE), {}, 1, ("m1", "m2")),
        (None, fleet(SMALL, LARGE, LARGE, LARGE), {}, 3, ("m2", "m3", "m4")),
        (3, fleet(SMALL, SMALL, SMALL), {}, 3, ("m1", "m2", "m3")),
        (1, fleet(LARGE, LARGE, LARGE), {}, 1, ("m1", "m2", "m3")),
        (None, fleet(LARGE, LARGE, LARGE), {"m2": 1}, 1, ("m1", "m2", "m3")),
        (None, fleet(SMALL, SMALL, SMALL), {"m1": 1, "m2": 2, "m3": 3}, 3, ("m1", "m2", "m3")),
        # a platform of before seats were kept: running, or down with its data
        (3, fleet(replace(LARGE, containers={"kafka": RUNNING}), LARGE, LARGE), {}, 1,
         ("m1", "m2", "m3")),
        (None, fleet(replace(LARGE, stamps={"topics": "s"}), LARGE, LARGE), {}, 1,
         ("m1", "m2", "m3")),
    ],
)  # fmt: skip
def test_the_number_follows_from_what_began_then_the_file_then_the_facts(
    wanted, facts, seats, count, machines
):
    found = count_brokers(wanted, facts, seats)
    assert (found.count, found.machines) == (count, machines)


def test_auto_says_why():
    assert count_brokers(None, fleet(SMALL, LARGE), {}).reason == (
        "one broker: three need 3 machines of 4 CPUs and 8 GiB, there are 1")  # fmt: skip


def test_a_machine_that_comes_or_goes_renumbers_nobody():
    first = assign_seats({}, ["b", "c", "d"])
    assert first == {"b": 1, "c": 2, "d": 3}
    assert assign_seats(first, ["a", "b", "d"]) == {"b": 1, "a": 2, "d": 3}
    assert assign_seats({}, ["m3"]) == {"m3": 1}


@given(st.sets(st.sampled_from("abcdefg"), min_size=1), st.sets(st.sampled_from("abcdefg"), min_size=1))
def test_seats_are_each_taken_once_and_kept_by_who_had_them(before, after):
    kept = assign_seats({}, sorted(before))
    seats = assign_seats(kept, sorted(after))
    assert seats.keys() == after
    assert len(set(seats.values())) == len(after)
    assert {name: seats[name] for name in before & after} == {
        name: kept[name] for name in before & after}


def test_a_quorum_is_a_majority_of_all_seats():
    assert holds_quorum(["a", "b", "c"], ["a", "c", "x"])
    assert not holds_quorum(["a", "b", "c"], ["a", "x"])
    assert not holds_quorum(["a", "b"], ["a"])


@pytest.mark.parametrize(
    ("running", "names", "said"),
    [
        (["a", "b", "c"], ["a", "b", "d"], None),
        (["a", "b"], ["a", "b", "d"], None),
        (["a", "c"], ["a", "b", "d"], "that of b does not run"),
        (["a", "b", "c"], ["a", "b"], "no other machine can take its place"),
    ],
)
def test_a_brokers_machine_leaves_only_where_no_agreed_record_can_be_lost(running, names, said):
    why = why_not_leave("c", {"a": 1, "b": 2, "c": 3}, running, names)
    assert why is None if said is None else said in why


def three(tmp_path, **changes):
    there = world(tmp_path, 4, brokers=3, **changes)
    there.store.seat_brokers(there.seats())
    return there


def test_bare_machines_get_three_brokers_that_do_not_wait_for_each_other(tmp_path):
    there = three(tmp_path)
    steps = {step.key: step for step in plan(there)}
    brokers = {f"kafka@{home}" for home in ("m1", "m2", "m3")}
    assert brokers <= steps.keys()
    assert all(not steps[key].after & brokers for key in brokers)
    assert steps["quorum"].after == brokers
    assert {"quorum", *brokers} <= steps["topics"].after
    settings = dict(there.container("kafka", "m2").settings)
    assert settings["ROTA_KAFKA_NODE_ID"] == "2"
    assert settings["ROTA_KAFKA_VOTERS"] == "1@10.0.0.1:9093,2@10.0.0.2:9093,3@10.0.0.3:9093"
    client = dict(there.container("client", "m4").settings)
    assert client["ROTA_KAFKA_BOOTSTRAP"] == "10.0.0.1:9092,10.0.0.2:9092,10.0.0.3:9092"


def test_a_converged_platform_of_three_has_nothing_to_do(tmp_path):
    assert plan(converged(three(tmp_path))) == []


def test_one_broker_is_made_as_before_there_could_be_three(tmp_path):
    there = converged(world(tmp_path))
    assert plan(there) == []
    assert not {"ROTA_KAFKA_VOTERS", "ROTA_KAFKA_NODE_ID"} & dict(
        there.container("kafka", "m1").settings).keys()


def test_running_brokers_are_replaced_one_after_the_other_the_silent_one_first(tmp_path):
    done = converged(three(tmp_path))
    for home in ("m1", "m2", "m3"):
        older = replace(container(done, "kafka", home), spec_hash="older",
                        state="exited" if home == "m3" else "running")
        done = change(done, home, containers={**done.facts[home].containers, "kafka": older})
    steps = [step for step in plan(done) if step.key.startswith(("kafka@", "quorum"))]
    assert [step.key for step in steps] == ["kafka@m3", "kafka@m1", "kafka@m2"]
    assert "kafka@m3" in steps[1].after
    assert "kafka@m1" in steps[2].after
    assert {step.risk for step in steps} == {Risk.RESTART}


def test_without_a_quorum_all_start_at_once(tmp_path):
    done = converged(three(tmp_path))
    for home in ("m1", "m2", "m3"):
        off = replace(container(done, "kafka", home), state="exited")
        done = change(done, home, containers={**done.facts[home].containers, "kafka": off})
    steps = {step.key: step for step in plan(done)}
    brokers = {"kafka@m1", "kafka@m2", "kafka@m3"}
    assert steps.keys() == {"quorum", *brokers}
    assert all(not steps[key].after & brokers for key in brokers)


def test_another_number_than_began_is_refused_with_the_way_to_it(tmp_path):
    there = three(tmp_path)
    with pytest.raises(MachineError, match="3 began, the file wants 1") as caught:
        require_possible(replace(there, description=replace(there.description, brokers=1)))
    assert "restore" in caught.value.failure.next_step
    require_possible(there)


def test_a_brokers_machine_cannot_be_dropped_from_the_file_while_another_is_silent(tmp_path):
    done = converged(three(tmp_path))
    rest = {name: machine for name, machine in done.machines.items() if name != "m3"}
    facts = {name: done.facts[name] for name in rest}
    fewer = replace(done, machines=rest, facts=facts,
                    description=replace(done.description, machines=tuple(
                        m for m in done.description.machines if m.name != "m3")))
    require_possible(fewer)
    assert fewer.seats() == {"m1": 1, "m2": 2, "m4": 3}
    off = replace(container(done, "kafka", "m1"), state="exited")
    silent = change(fewer, "m1", containers={**fewer.facts["m1"].containers, "kafka": off})
    with pytest.raises(MachineError, match="m3 is out of the file"):
        require_possible(silent)


def read(services, machines=3):
    listed = ", ".join(f"{{name: m{n}, address: h{n}}}" for n in range(1, machines + 1))
    text = f"version: 1\nplatform: a\nmachines: [{listed}]\nservices: {{kafka: {services}}}\n"
    return parse_description(text.encode(), "platform.yml", Path("/home/operator"))


def test_the_file_says_auto_one_or_three():
    assert read("{}").brokers is None
    assert read("{replicas: auto}").brokers is None
    assert read("{replicas: 1}").brokers == 1
    assert read("{replicas: 3}").brokers == 3
    assert read("{on: [m2]}").brokers == 1
    pinned = read("{on: [m1, m2, m3]}")
    assert (pinned.brokers, pinned.wish("kafka")) == (3, ServiceWish(("m1", "m2", "m3"), 3))


@pytest.mark.parametrize(
    ("services", "machines"),
    [("{replicas: 2}", 3), ("{replicas: many}", 3), ("{on: [m1, m2]}", 3), ("{replicas: 3}", 2),
     ("{on: [m1], replicas: 3}", 3)],
)  # fmt: skip
def test_an_even_quorum_or_too_few_machines_are_problems_of_the_file(services, machines):
    with pytest.raises(DocumentError) as caught:
        read(services, machines)
    assert all(p.path.startswith("services.kafka") for p in caught.value.problems)
