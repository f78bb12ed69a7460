"""Docker Engine from the distribution's packages, the folders, and the sampler's user."""

from __future__ import annotations

from importlib.resources import files

from platform_initializer.domain.docker_settings import (
    SettingsChange,
    StrangeSettingsError,
    settings_change,
)
from platform_initializer.domain.facts import Facts
from platform_initializer.domain.packages import as_shell, install_commands
from platform_initializer.domain.steps import Phase, Risk, Step
from platform_initializer.errors import Failure, MachineError
from platform_initializer.world import World

SCRIPT = files("platform_initializer.steps").joinpath("prerequisites.sh").read_text("utf-8")


def plan(world: World, machine: str) -> list[Step]:
    """Return the step, if the machine lacks anything."""
    facts = world.facts[machine]
    change = _change(machine, facts)
    lacking = [*_lacking(facts), *(change.reasons if change else ())]
    if not lacking:
        return []
    host = world.hosts[machine]

    def run() -> None:
        how = "restart" if change and change.needs_restart else "reload"
        settings = (change.text, how) if change else ("", "")
        install = as_shell(install_commands(facts))
        host.script("installing Docker Engine", SCRIPT, *settings, install, timeout_s=600.0)

    risk = Risk.RESTART if facts.docker and change and change.needs_restart else Risk.NONE
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
    return lacking


def _change(machine: str, facts: Facts) -> SettingsChange | None:
    try:
        return settings_change(facts)
    except StrangeSettingsError as error:
        raise MachineError(Failure(
            machine, "reading Docker's settings", str(error),
            next_step="mend that file on it, then run the same command again",
        )) from error  # fmt: skip
