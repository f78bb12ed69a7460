"""Containers that stay: Kafka, MySQL, the services, the clients; and those that have to go."""

from __future__ import annotations

from collections.abc import Callable

from platform_initializer.domain.container import ContainerSpec, changes, run_args
from platform_initializer.domain.facts import ContainerFact
from platform_initializer.domain.steps import Phase, Risk, Step
from platform_initializer.errors import Failure, MachineError
from platform_initializer.steps.images import image_key
from platform_initializer.world import World

STORES = ("kafka", "mysql")
_RUN = """\
set -eu
name=$1; shift
if docker container inspect "$name" > /dev/null 2>&1; then
    docker stop -t 25 "$name" > /dev/null
    docker rm -f "$name" > /dev/null
fi
exec "$@"
"""
_GATE = """\
name=$1 check=$2 tries=0
until docker exec "$name" /bin/bash "$check" > /dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 400 ] || { docker logs --tail 12 "$name" >&2; exit 1; }
    sleep 0.3
done
"""
_REMOVE = 'docker stop -t 25 "$1" > /dev/null; docker rm -f "$1" > /dev/null'


def plan(world: World) -> list[Step]:
    """Return the steps of all containers that are absent, different, stopped or misplaced."""
    steps = _removals(world)
    gone = frozenset(step.key for step in steps)
    setup = frozenset({"databases", "topics"})
    for placed in world.placed():
        waits = gone | (frozenset() if placed.service in STORES else setup)
        steps += _start(world, placed.service, placed.machine, waits)
    for machine in world.names:
        steps += _start(world, "client", machine, gone | setup)
    return steps


def _start(world: World, service: str, machine: str, waits: frozenset[str]) -> list[Step]:
    spec = world.container(service, machine)
    there = world.facts[machine].containers.get(service)
    reason = _difference(spec, there)
    if reason is None:
        return []
    image = service if service in STORES else "services"
    after = waits | {f"files@{machine}", f"docker@{machine}", image_key(machine, image)}
    risk = Risk.NONE if there is None else Risk.DOWNTIME if service in STORES else Risk.RESTART
    phase = Phase.STORES if service in STORES else (
        Phase.CLIENT if service == "client" else Phase.SERVICES)  # fmt: skip
    verb = "start" if there is None else "replace"
    run = _runner(world, machine, spec)
    return [Step(f"{service}@{machine}", machine, phase, f"{verb} {service}", reason, run, after,
                 risk)]  # fmt: skip


def _difference(spec: ContainerSpec, there: ContainerFact | None) -> str | None:
    if there is None:
        return "does not run there"
    if there.spec_hash != spec.spec_hash():
        differing = changes(there.spec, spec)
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        return "; ".join(differing[:3]) + more
    if there.state not in {"running", "restarting"}:
        return f"it is {there.state}"
    return None


def _runner(world: World, machine: str, spec: ContainerSpec) -> Callable[[], None]:
    host = world.hosts[machine]

    def run() -> None:
        argv = run_args(spec, world.description.platform)
        host.script(f"starting {spec.service}", _RUN, spec.name, *argv, timeout_s=90.0)
        if spec.service in STORES:
            check = f"/opt/{spec.service}/healthcheck.sh"
            host.script(f"waiting for {spec.service}", _GATE, spec.name, check, timeout_s=150.0)

    return run


def _removals(world: World) -> list[Step]:
    """Remove what runs on a machine it was not placed on; a data store is never moved so."""
    wanted = {(placed.service, placed.machine) for placed in world.placed()}
    steps = []
    for machine in world.names:
        for service in world.facts[machine].containers:
            if service == "client" or (service, machine) in wanted:
                continue
            if service in STORES:
                raise MachineError(Failure(
                    machine, f"moving {service}", "its data is here and would be left behind",
                    next_step=f"pin it here again (services: {{{service}: {{on: [{machine}]}}}})",
                ))  # fmt: skip
            name = f"rota-{service.replace('_', '-')}"
            steps.append(Step(
                f"remove:{service}@{machine}", machine, Phase.SERVICES, f"stop {service}",
                "it was placed elsewhere", _remover(world, machine, name), risk=Risk.RESTART,
            ))  # fmt: skip
    return steps


def _remover(world: World, machine: str, name: str) -> Callable[[], None]:
    host = world.hosts[machine]
    return lambda: _ignore(host.script(f"stopping {name}", _REMOVE, name))


def _ignore(_: str) -> None:
    """Drop what a command printed."""
