"""Docker Engine from the distribution's packages, the folders, and the sampler's user."""

from __future__ import annotations

import json
from importlib.resources import files

from platform_initializer.domain.facts import Facts
from platform_initializer.domain.steps import Phase, Risk, Step
from platform_initializer.world import World, digest

SCRIPT = files("platform_initializer.steps").joinpath("prerequisites.sh").read_text("utf-8")
DAEMON_JSON = "/etc/docker/daemon.json"


def plan(world: World, machine: str) -> list[Step]:
    """Return the step, if the machine lacks anything."""
    facts = world.facts[machine]
    lacking = _lacking(facts)
    if not lacking:
        return []
    host = world.hosts[machine]

    def run() -> None:
        host.script("installing Docker Engine", SCRIPT, facts.cgroup, timeout_s=600.0)

    risk = Risk.RESTART if facts.docker and "setting" in " ".join(lacking) else Risk.NONE
    title = "prepare the machine" if facts.docker else "install Docker Engine"
    return [Step(f"docker@{machine}", machine, Phase.DOCKER, title,
                 "absent: " + ", ".join(lacking), run, risk=risk)]  # fmt: skip


def _lacking(facts: Facts) -> list[str]:
    lacking = []
    if not facts.docker:
        lacking.append("a Docker daemon that answers")
    if not facts.has_sampler:
        lacking.append("the sampler's user")
    if not facts.has_folders:
        lacking.append("folders")
    if facts.cgroup != "/":
        wanted = {"cgroup-parent": facts.cgroup, "exec-opts": ["native.cgroupdriver=cgroupfs"]}
        there = facts.files.get(DAEMON_JSON)
        if there is None or there.sha256 != digest((json.dumps(wanted) + "\n").encode()):
            lacking.append("Docker's setting that counts containers as this machine's load")
    return lacking
