"""Which service goes where: pins, what runs already, memory, replicas apart."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from platform_initializer.domain.description import SERVICES, Description, ServiceWish
from platform_initializer.domain.facts import ContainerFact, Facts
from platform_initializer.domain.placement import place

GIB = 1 << 30


def described(**wishes):
    return Description("p", Path(), Path("s"), services=wishes)


def machines(*sizes):
    return {f"m{i}": Facts(memory=size) for i, size in enumerate(sizes, 1)}


def homes(placed):
    found = {}
    for one in placed:
        found.setdefault(one.service, []).append(one.machine)
    return found


def running(service):
    return ContainerFact(service, "h", "running", 0, "i", "i", "t")


def test_stores_go_apart_and_the_services_where_memory_is_left():
    facts = machines(4 * GIB, 4 * GIB, 4 * GIB)
    found = homes(place(described(), list(facts), facts))
    assert found == {
        "kafka": ["m1"], "mysql": ["m2"], "scheduler": ["m3"], "deployment_manager": ["m3"],
        "load_balancer": ["m3"], "node_manager": ["m3"], "application_manager": ["m3"],
    }  # fmt: skip


def test_one_machine_carries_all():
    facts = machines(2 * GIB)
    assert set(map(tuple, homes(place(described(), ["m1"], facts)).values())) == {("m1",)}


def test_a_pin_wins_over_memory_and_over_what_runs():
    facts = machines(GIB, 64 * GIB)
    facts["m2"] = Facts(memory=64 * GIB, containers={"mysql": running("mysql")})
    placed = place(described(mysql=ServiceWish(on=("m1",))), list(facts), facts)
    assert [(p.machine, p.reason) for p in placed if p.service == "mysql"] == [
        ("m1", "pinned by the file")
    ]


def test_what_runs_stays_though_another_has_more_memory():
    facts = machines(GIB, 64 * GIB)
    facts["m1"] = Facts(memory=GIB, containers={"kafka": running("kafka")})
    placed = place(described(), list(facts), facts)
    assert [(p.machine, p.reason) for p in placed if p.service == "kafka"] == [
        ("m1", "runs there already")
    ]


def test_replicas_go_apart_and_never_twice_on_one_machine():
    facts = machines(4 * GIB, 4 * GIB)
    found = homes(place(described(scheduler=ServiceWish(replicas=3)), list(facts), facts))
    assert sorted(found["scheduler"]) == ["m1", "m2"]


@given(st.lists(st.integers(1, 64), min_size=1, max_size=8), st.integers(1, 5))
def test_what_it_decides_it_decides_again(sizes, replicas):
    facts = machines(*(size * GIB for size in sizes))
    wanted = described(scheduler=ServiceWish(replicas=replicas))
    first = homes(place(wanted, list(facts), facts))
    assert set(first) == set(SERVICES)
    there = {
        name: Facts(memory=known.memory, containers={
            service: running(service) for service, where in first.items() if name in where})
        for name, known in facts.items()
    }  # fmt: skip
    again = homes(place(wanted, list(there), there))
    assert {s: sorted(where) for s, where in again.items()} == {
        s: sorted(where) for s, where in first.items()
    }
