"""The choice of a node: never an ineligible one, bursts spread, every verdict is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load_balancer.domain.load import harmonic_mean
from load_balancer.domain.probe import (
    SAMPLER_SCRIPT,
    StrangeSampleError,
    cpu_between,
    parse_reading,
)
from load_balancer.domain.ranking import Candidate, Need, choose, debited, refusal

GIB = 1024**3


def node(name: str, cpu: float | None = 0.1, ram: float | None = 0.2, **more: object) -> Candidate:
    fields: dict[str, object] = {"age_s": 1.0, "cpus": 4, "memory_bytes": 8 * GIB} | more
    return Candidate(node=name, is_active=True, cpu=cpu, ram=ram, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cpu", "ram", "load"), [(0, 0.9, 0), (0.5, 0.5, 0.5), (0.02, 0.95, 0.0392), (1, 1, 1)]
)
def test_the_load_is_the_harmonic_mean(cpu: float, ram: float, load: float) -> None:
    assert harmonic_mean(cpu, ram) == pytest.approx(load, abs=1e-4)


def test_the_least_loaded_node_is_chosen_and_every_verdict_told() -> None:
    choice = choose([node("a", 0.5, 0.5), node("b"), node("c", 0.95, 0.1)], Need())
    assert choice.node == "b"
    assert choice.verdicts == {
        "a": "more loaded", "b": "chosen", "c": "over 90 %: CPU 95%, RAM 10%",
    }  # fmt: skip


def test_a_busy_cpu_or_ram_is_not_hidden_by_the_harmonic_mean() -> None:
    assert refusal(node("a", 0.02, 0.95), Need()) is not None
    assert refusal(node("a", 0.95, 0.02), Need()) is not None


def test_old_samples_give_way_to_the_least_recently_used() -> None:
    stale = [node("a", 0.0, 0.0, age_s=31, last_used=5), node("b", 0.9, 0.9, age_s=31, last_used=1)]
    assert choose(stale, Need()).node == "b"
    unsampled = [node("a", None, None, age_s=None, last_used=5), node("b", None, None, age_s=None)]
    assert choose(unsampled, Need()).node == "b"


def test_standalone_wants_an_empty_node_and_then_keeps_all_others_out() -> None:
    alone = Need(is_standalone=True)
    assert choose([node("a", jobs=1), node("b", 0.8, 0.8)], alone).node == "b"
    taken = debited(node("b"), alone)
    assert refusal(taken, Need()) == "reserved for a standalone job"


def test_labels_must_match() -> None:
    zoned = [node("a", labels={"zone": "a"}), node("b", 0.0, 0.0, labels={"zone": "b"})]
    assert choose(zoned, Need(labels={"zone": "a"})).node == "a"
    assert choose(zoned, Need(labels={"zone": "c"})).node is None


def test_ordinals_spread_over_nodes_first() -> None:
    assert choose([node("a", siblings=1), node("b", 0.6, 0.6)], Need()).node == "b"


@given(
    st.lists(
        st.builds(
            Candidate, node=st.uuids().map(str), is_active=st.booleans(),
            cpus=st.floats(0.5, 64), memory_bytes=st.integers(1, 64 * GIB),
            cpu=st.none() | st.floats(0, 1), ram=st.floats(0, 1),
            age_s=st.none() | st.floats(0, 100), jobs=st.integers(0, 3),
            has_standalone=st.booleans(),
        ),
        max_size=12,
    ),
    st.builds(Need, is_standalone=st.booleans(), cpus=st.floats(0.01, 32)),
)  # fmt: skip
def test_no_ineligible_node_is_ever_chosen(candidates: list[Candidate], need: Need) -> None:
    choice = choose(candidates, need)
    assert set(choice.verdicts) == {candidate.node for candidate in candidates}
    eligible = [c for c in candidates if refusal(c, need) is None]
    assert (choice.node is None) == (not eligible)
    assert choice.node is None or choice.node in {c.node for c in eligible}


@given(st.integers(1, 60), st.integers(2, 8))
def test_a_burst_between_two_samples_spreads_evenly(jobs: int, count: int) -> None:
    fleet = {f"n{i}": node(f"n{i}", 0.1, 0.1, cpus=16) for i in range(count)}
    need = Need(cpus=0.1, memory_bytes=GIB // 16)
    for _ in range(jobs):
        chosen = choose(list(fleet.values()), need).node
        assert chosen is not None
        fleet[chosen] = debited(fleet[chosen], need)
    counts = [candidate.jobs for candidate in fleet.values()]
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
    after = debited(node("a"), Need(cpus=1, memory_bytes=GIB))
    assert (after.debit_cpu, after.debit_ram) == (0.25, 0.125)
    assert replace(after, jobs=0).expected == (pytest.approx(0.35), pytest.approx(0.325))
