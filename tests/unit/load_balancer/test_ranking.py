"""The choice of a node: never an ineligible one, bursts spread, every verdict is told."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.labels import LabelRule, Not
from load_balancer.domain.load import harmonic_mean
from load_balancer.domain.pool import Pool
from load_balancer.domain.probe import (
    SAMPLER_SCRIPT,
    StrangeSampleError,
    cpu_between,
    parse_reading,
)
from load_balancer.domain.ranking import Candidate, Need, Wish, rank, refusal

GIB = 1024**3


def node(name: str, cpu: float | None = 0.1, ram: float | None = 0.2, **more: object) -> Candidate:
    fields: dict[str, object] = {"cpus": 4, "memory_bytes": 8 * GIB} | more
    return Candidate(node=name, cpu=cpu, ram=ram, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cpu", "ram", "load"), [(0, 0.9, 0), (0.5, 0.5, 0.5), (0.02, 0.95, 0.0392), (1, 1, 1)]
)
def test_the_load_is_the_harmonic_mean(cpu: float, ram: float, load: float) -> None:
    assert harmonic_mean(cpu, ram) == pytest.approx(load, abs=1e-4)


def choose(candidates: Iterable[Candidate], need: Need, wish: Wish | None = None) -> str | None:
    chosen = Pool(candidates).pick(need, wish or Wish())
    return chosen.node if chosen else None


def test_the_least_loaded_node_is_chosen_and_every_refusal_told() -> None:
    pool = Pool([node("a", 0.5, 0.5), node("b"), node("c", 0.95, 0.1)])
    chosen = pool.pick(Need())
    assert chosen is not None
    assert chosen.node == "b"
    assert dict(pool.refusals(Need())) == {"c": "over 90% of its CPU"}


def test_a_busy_cpu_or_ram_is_not_hidden_by_the_harmonic_mean() -> None:
    assert refusal(node("a", 0.02, 0.95), Need()) == "over 90% of its memory"
    assert refusal(node("a", 0.95, 0.02), Need()) == "over 90% of its CPU"


def test_without_fresh_samples_the_least_recently_used_is_chosen() -> None:
    unsampled = [node("a", None, None, last_used=5), node("b", None, None, last_used=1)]
    assert choose(unsampled, Need()) == "b"
    assert choose([*unsampled, node("c", 0.8, 0.8)], Need()) == "c"


def test_standalone_wants_an_empty_node_and_then_keeps_all_others_out() -> None:
    alone = Need(is_standalone=True)
    assert choose([node("a", jobs=1), node("b", 0.8, 0.8)], alone) == "b"
    taken = node("b")
    taken.debit(alone)
    assert refusal(taken, Need()) == "reserved for a standalone job"
    assert choose([taken], Need()) is None


def test_labels_must_match() -> None:
    zoned = [node("a", labels={"zone": "a"}), node("b", 0.0, 0.0, labels={"zone": "b"})]
    assert choose(zoned, Need(labels={"zone": "a"})) == "a"
    assert choose(zoned, Need(labels={"zone": "c"})) is None
    assert refusal(zoned[0], Need(labels={"zone": "c"})) == "lacks zone=c"


@pytest.mark.parametrize(
    ("rule", "names", "words"),
    [
        ("a", "a", "zone=a"),
        (("a", "b"), "ab", "zone in (a, b)"),
        (Not(("a",)), "bc", "zone!=a"),
        (Not(("a", "b")), "c", "zone not in (a, b)"),
    ],
)
def test_labels_are_asked_for_by_value_by_list_or_by_exclusion(
    rule: LabelRule, names: str, words: str
) -> None:
    """Node c has no label at all: it suits only where something is excluded."""
    zoned = [node("a", labels={"zone": "a"}), node("b", labels={"zone": "b"}), node("c")]
    need = Need(labels={"zone": rule})
    suiting = [one for one in zoned if refusal(one, need) is None]
    assert "".join(one.node for one in suiting) == names
    assert {refusal(one, need) for one in zoned} - {None} == {f"lacks {words}"}
    pool = Pool(zoned)
    pool.pick(need)
    for one in suiting:
        assert pool.pick(need) is one
        one.is_active = False
        pool.touch(one)
    assert pool.pick(need) is None


def test_ordinals_spread_over_nodes_first_and_a_lost_node_is_avoided() -> None:
    nodes = [node("a"), node("b", 0.6, 0.6), node("c", 0.8, 0.8)]
    assert choose(nodes, Need(), Wish({"a": 1})) == "b"
    assert choose(nodes, Need(), Wish({"a": 1}, "b")) == "c"
    assert choose(nodes, Need(), Wish({"a": 2, "b": 1, "c": 1})) == "b"
    assert choose(nodes[:1], Need(), Wish({"a": 1}, "a")) == "a"


def test_a_node_is_ranked_anew_whenever_it_is_touched() -> None:
    pool = Pool([node("a", 0.1, 0.1), node("b", 0.2, 0.2)])
    busy = pool.candidates["a"]
    assert pool.pick(Need()) is busy
    busy.is_active = False
    pool.touch(busy)
    assert pool.pick(Need()) is pool.candidates["b"]
    busy.is_active = True
    pool.touch(busy)
    assert pool.pick(Need()) is busy
    pool.drop("a")
    assert pool.pick(Need()) is pool.candidates["b"]


nodes = st.lists(
    st.builds(
        Candidate, node=st.uuids().map(str), is_active=st.booleans(),
        cpus=st.floats(0.5, 64), memory_bytes=st.integers(1, 64 * GIB),
        labels=st.sampled_from([{}, {"zone": "a"}, {"zone": "b"}]),
        cpu=st.none() | st.floats(0, 1), ram=st.floats(0, 1), jobs=st.integers(0, 3),
        has_standalone=st.booleans(),
    ),
    max_size=12,
)  # fmt: skip
needs = st.builds(
    Need, is_standalone=st.booleans(), cpus=st.floats(0.01, 32),
    labels=st.sampled_from([{}, {"zone": "a"}, {"zone": ("a", "b")}, {"zone": Not(("a",))}]),
)  # fmt: skip


@given(nodes, st.lists(needs, max_size=20))
def test_no_ineligible_node_is_ever_chosen_and_none_is_overlooked(
    candidates: list[Candidate], jobs: list[Need]
) -> None:
    pool = Pool(candidates)
    for need in jobs:
        refused = dict(pool.refusals(need))
        chosen = pool.pick(need)
        assert (chosen is None) == (len(refused) == len(candidates))
        if chosen is not None:
            assert chosen.node not in refused
            chosen.debit(need)
            pool.touch(chosen)


@given(nodes, st.data())
def test_the_heap_chooses_as_a_look_at_every_node_would(
    candidates: list[Candidate], data: st.DataObject
) -> None:
    pool = Pool(candidates)
    for need in data.draw(st.lists(needs, max_size=20)):
        eligible = [one for one in candidates if refusal(one, need) is None]
        chosen = pool.pick(need)
        assert (chosen is None) == (not eligible)
        if chosen is not None:
            assert rank(chosen) == min(map(rank, eligible))
            chosen.debit(need)
            pool.touch(chosen)


@given(st.integers(1, 60), st.integers(2, 8))
def test_a_burst_between_two_samples_spreads_evenly(jobs: int, count: int) -> None:
    pool = Pool(node(f"n{i}", 0.1, 0.1, cpus=16) for i in range(count))
    need = Need(cpus=0.1, memory_bytes=GIB // 16)
    for _ in range(jobs):
        chosen = pool.pick(need)
        assert chosen is not None
        chosen.debit(need)
        pool.touch(chosen)
    counts = [candidate.jobs for candidate in pool.candidates.values()]
    assert max(counts) - min(counts) <= 1


def answer(busy: int, idle: int, available: int = 750) -> bytes:
    cpu = f"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0"
    return f"{cpu}\nMemTotal: 1000\nMemAvailable: {available}\n.\n".encode()


def test_cpu_is_what_was_busy_between_two_readings() -> None:
    first, second = parse_reading(answer(100, 900)), parse_reading(answer(130, 970))
    assert cpu_between(first, second) == pytest.approx(0.3)
    assert second.ram == pytest.approx(0.25)
    assert cpu_between(second, first) is None


@given(st.binary(max_size=300))
def test_a_hostile_machine_cannot_do_more_than_be_strange(payload: bytes) -> None:
    try:
        parse_reading(payload)
    except StrangeSampleError:
        return


def test_the_sampler_runs_no_program_but_its_shell() -> None:
    words = {"cat", "grep", "awk", "sed", "head", "sleep", "date"}
    code = [line for line in SAMPLER_SCRIPT.splitlines() if not line.startswith("#")]
    assert not words & set(" ".join(code).replace(";", " ").split())


def test_debits_are_fractions_of_the_node() -> None:
    after = node("a")
    after.debit(Need(cpus=1, memory_bytes=GIB))
    assert (after.debit_cpu, after.debit_ram) == (0.25, 0.125)
    assert after.expected == (pytest.approx(0.35), pytest.approx(0.325))
