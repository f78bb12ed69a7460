"""Which steps of a plan are done when a person names machines, and in what order they follow."""

from dataclasses import replace

import pytest

from platform_initializer.domain.choosing import (
    LimitError,
    differences,
    limited,
    one_machine_at_a_time,
)
from platform_initializer.domain.steps import Phase, Step
from platform_initializer.errors import Failure, MachineError
from platform_initializer.graph import run_steps
from platform_initializer.planning import plan
from platform_initializer.saved_plan import PlanChangedError, make_plan
from tests.unit.platform_initializer.test_convergence import Silent
from tests.unit.platform_initializer.worlds import NOW, change, converged, world


def upgraded(tmp_path):
    """Return a converged world whose services' image is another one now."""
    there = converged(world(tmp_path))
    images = {ref: replace(image, image_id="sha256:" + "9" * 64) if "services" in ref else image
              for ref, image in there.images.items()}
    return replace(there, images=images)


def gates_of(steps, names):
    after = frozenset(step.key for step in steps)
    return [Step(f"health@{name}", name, Phase.HEALTH, "wait", "always", lambda: None, after)
            for name in names]


def recorded(steps, fails=()):
    """Let each step note its key in a list; those in `fails` raise."""
    ran = []

    def runner(step):
        def run():
            ran.append(step.key)
            if step.key in fails:
                raise MachineError(Failure(step.machine, step.title, "not ready"))
        return run

    return ran, [replace(step, run=runner(step)) for step in steps]


def test_without_names_all_is_done_and_a_strange_name_is_refused(tmp_path):
    there = world(tmp_path)
    steps = plan(there)
    assert limited(steps, (), there.names) == steps
    with pytest.raises(LimitError, match="m9"):
        limited(steps, ("m9",), there.names)


def test_only_the_named_machines_are_touched(tmp_path):
    there = converged(world(tmp_path))
    for name in ("m1", "m3"):
        there = change(there, name, containers={}, files={}) if name == "m3" else change(
            there, name, files={})
    assert {step.machine for step in plan(there)} == {"m1", "m3"}
    chosen = limited(plan(there), ("m3",), there.names)
    assert {step.machine for step in chosen} == {"m3"}


def test_what_stands_on_another_machines_store_is_refused(tmp_path):
    there = world(tmp_path)
    store = there.homes_of("kafka")[0]
    other = next(name for name in there.names if name != store)
    with pytest.raises(LimitError, match=f"name {store} too"):
        limited(plan(there), (other,), there.names)


def test_machines_follow_each_other_behind_their_gates(tmp_path):
    there = upgraded(tmp_path)
    steps = plan(there)
    ran, noted = recorded(one_machine_at_a_time(steps, gates_of(steps, there.names), there.names))
    outcome = run_steps(noted, Silent(), 8)
    assert outcome.failures == []
    assert sorted(ran) == sorted([*(s.key for s in steps), *(f"health@{n}" for n in there.names)])
    containers = {s.key for s in steps if s.phase in {Phase.SERVICES, Phase.CLIENT}}
    order = [key.split("@")[1] for key in ran if key in containers]
    assert order == sorted(order)
    for first, second in (("m1", "m2"), ("m2", "m3")):
        begun = min(ran.index(key) for key in containers if key.endswith(second))
        assert ran.index(f"health@{first}") < begun


def test_a_machine_that_does_not_get_ready_keeps_the_later_ones_as_they_are(tmp_path):
    there = upgraded(tmp_path)
    steps = plan(there)
    ordered = one_machine_at_a_time(steps, gates_of(steps, there.names), there.names)
    ran, noted = recorded(ordered, fails=("client@m2",))
    outcome = run_steps(noted, Silent(), 8)
    assert [failure.machine for failure in outcome.failures] == ["m2"]
    assert "health@m1" in ran
    containers = {s.key for s in steps if s.phase in {Phase.SERVICES, Phase.CLIENT}}
    assert not [key for key in ran if key in containers and key.endswith("@m3")]


def test_differences_name_machine_and_thing():
    was = {"m1": {"docker": "20", "file /a": "1"}, "m2": {}}
    now = {"m1": {"docker": "24", "file /b": "1"}, "m3": {}}
    assert differences(was, now) == [
        "m1: docker changed", "m1: file /a went", "m1: file /b came", "m2 went", "m3 came"]
    assert differences(was, was) == []


def test_a_change_of_one_container_is_one_difference(tmp_path):
    there = converged(world(tmp_path))
    saved = make_plan("test", NOW, there.facts, plan(there))
    saved.require_same(there.facts, plan(there))
    home = there.homes_of("scheduler")[0]
    drifted = change(there, home, containers={
        **there.facts[home].containers,
        "scheduler": replace(there.facts[home].containers["scheduler"], state="exited")})
    with pytest.raises(PlanChangedError) as caught:
        saved.require_same(drifted.facts, plan(drifted))
    assert caught.value.changed == (f"{home}: container scheduler changed",)


def test_another_wish_is_a_difference_although_the_machines_are_the_same(tmp_path):
    there = converged(world(tmp_path))
    saved = make_plan("test", NOW, there.facts, plan(there))
    other = replace(there, description=replace(there.description, publish=9000))
    with pytest.raises(PlanChangedError) as caught:
        saved.require_same(other.facts, plan(other))
    assert [line for line in caught.value.changed if "step application_manager@" in line]
