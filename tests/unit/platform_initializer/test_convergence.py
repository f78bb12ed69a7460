"""Killed after any number of steps, run again: the same end state, and then nothing to do.

The steps are played on the facts: each makes true what it is there for, and nothing else.
"""

from dataclasses import replace

import pytest

from platform_initializer.domain.steps import Phase
from platform_initializer.graph import run_steps
from platform_initializer.planning import plan
from platform_initializer.steps import guards, setup
from tests.unit.platform_initializer.worlds import change, container, converged, world


class Silent:
    """A progress that nobody watches."""

    def say(self, text): ...
    def planned(self, steps): ...
    def started(self, step): ...
    def finished(self, step, seconds): ...
    def failed(self, step, failure): ...
    def skipped(self, step): ...


def played(there, step):
    """Return the world after one step has run."""
    goal, facts = converged(there).facts[step.machine], there.facts[step.machine]
    match step.phase:
        case Phase.DOCKER:
            made = {"docker": "20.10", "has_docker_client": True, "has_sampler": True,
                    "has_folders": True, "docker_settings": goal.docker_settings}
        case Phase.FILES:
            guarding = {file.path for file in guards.wanted_files(there)}
            is_guards = step.key.startswith("guards@")
            made = {"files": {**facts.files, **{
                path: fact for path, fact in goal.files.items() if (path in guarding) == is_guards}}}
            if is_guards:
                made |= {"units": goal.units, "has_firewall_rules": True}
        case Phase.IMAGES:
            image = there.images[step.key.removeprefix("image:").split("@")[0]]
            made = {"images": facts.images | {image.image_id},
                    "tags": {**facts.tags, image.reference: image.image_id}}
        case Phase.SETUP:
            made = {"stamps": {**facts.stamps, step.key: setup.stamp_of(there, step.key)}}
        case _:
            service = step.key.split("@")[0]
            made = {"containers": {
                **facts.containers, service: container(there, service, step.machine)}}
    return change(there, step.machine, **made)


def run_until_killed(there, steps_allowed):
    """Play a plan in an order its graph allows, and stop after so many steps."""
    order = []
    steps = [replace(step, run=lambda key=step.key: order.append(key)) for step in plan(there)]
    run_steps(steps, Silent(), 1)
    by_key = {step.key: step for step in steps}
    for key in order[:steps_allowed]:
        there = played(there, by_key[key])
    return there


@pytest.mark.parametrize("killed_after", [0, 1, 5, 9, 14, 20, 29])
def test_killed_after_any_step_and_run_again_it_ends_the_same(tmp_path, killed_after):
    bare = world(tmp_path)
    assert len(plan(bare)) == 29
    there = run_until_killed(run_until_killed(bare, killed_after), 99)
    assert there.facts == converged(bare).facts
    assert plan(there) == []


def test_killed_after_each_single_step_it_still_ends(tmp_path):
    there = world(tmp_path)
    runs = 0
    while plan(there):
        there = run_until_killed(there, 1)
        runs += 1
    assert runs == 29
