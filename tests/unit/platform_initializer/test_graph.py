"""Steps in order, side by side; what waits for a failure is not begun, all else is."""

import threading

from platform_initializer.domain.steps import Phase, Step
from platform_initializer.errors import Failure, MachineError
from platform_initializer.graph import run_steps
from tests.unit.platform_initializer.test_convergence import Silent


def step(key, run, *after):
    return Step(key, "m", Phase.FILES, key, "", run, frozenset(after))


def test_a_step_waits_for_those_it_names():
    order = []
    steps = [step("c", lambda: order.append("c"), "a", "b"), step("b", lambda: order.append("b"), "a"),
             step("a", lambda: order.append("a"))]
    outcome = run_steps(steps, Silent(), 4)
    assert order == ["a", "b", "c"]
    assert [s.key for s in outcome.done] == order


def test_what_is_not_planned_counts_as_done():
    ran = []
    run_steps([step("a", lambda: ran.append("a"), "long done")], Silent(), 1)
    assert ran == ["a"]


def test_independent_steps_run_side_by_side():
    meet = threading.Barrier(2, timeout=10)
    outcome = run_steps([step("a", meet.wait), step("b", meet.wait)], Silent(), 2)
    assert len(outcome.done) == 2


def test_a_failure_stops_only_what_waits_for_it():
    def fail():
        raise MachineError(Failure("m", "b", "no"))

    ran = []
    steps = [step("a", lambda: ran.append("a")), step("b", fail),
             step("c", lambda: ran.append("c"), "b"), step("d", lambda: ran.append("d"), "c"),
             step("e", lambda: ran.append("e"), "a")]
    outcome = run_steps(steps, Silent(), 2)
    assert sorted(ran) == ["a", "e"]
    assert [f.why for f in outcome.failures] == ["no"]
    assert sorted(s.key for s in outcome.skipped) == ["c", "d"]
