"""Containers that stay: Kafka, MySQL, the services, the clients; and those that have to go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from platform_initializer.domain.container import ContainerSpec, changes, run_args
from platform_initializer.domain.facts import ContainerFact
from platform_initializer.domain.services import HEALTH_PORTS
from platform_initializer.domain.steps import Phase, Risk, Step
from platform_initializer.errors import Failure, MachineError
from platform_initializer.host import Host
from platform_initializer.steps.brokers import arranged, is_rolling, wait_in_sync
from platform_initializer.steps.guards import guards_key
from platform_initializer.steps.images import image_key
from platform_initializer.steps.store_versions import refuse_older
from platform_initializer.world import World

STORES = ("kafka", "mysql")
READY_WITHIN_S = 60
# $1 the container's name, $2 its check's port or nothing, $3 the seconds it has, then its argv.
# What ran before is set aside until the new one is ready, and comes back when it is not.
_RUN = """\
set -eu
name=$1 port=$2 seconds=$3; shift 3
exec 8> "/run/$name.lock"
flock -w 60 8
has() { docker container inspect "$1" > /dev/null 2>&1; }
! has "$name-before" || has "$name" || docker rename "$name-before" "$name"
! has "$name-before" || docker rm -f "$name-before" > /dev/null
if has "$name"; then
    docker stop -t 25 "$name" > /dev/null
    docker rename "$name" "$name-before"
fi
back() {
    docker logs --tail 10 "$name" >&2 2>&1 || true
    docker rm -f "$name" > /dev/null 2>&1 || true
    docker rename "$name-before" "$name" && docker start "$name" > /dev/null
    echo "the new one was not ready within $seconds s: what ran before is back" >&2
    exit 1
}
if ! has "$name-before"; then exec "$@"; fi
"$@" > /dev/null || back
if [ -n "$port" ]; then
    docker exec "$name" python3 -ISc "$READY" "$port" "$seconds" > /dev/null 2>&1 || back
fi
docker rm -f "$name-before" > /dev/null
"""
_READY = """\
import socket, sys, time
end = time.monotonic() + float(sys.argv[2])
while True:
    try:
        with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 3) as s:
            s.sendall(b"GET /readyz HTTP/1.0\\r\\n\\r\\n")
            if b" 200 " in b"".join(iter(lambda: s.recv(4096), b"")):
                break
    except OSError:
        pass
    if time.monotonic() > end:
        sys.exit(1)
    time.sleep(0.3)
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
    places = [(p.service, p.machine) for p in world.placed()]
    for service, machine in [*places, *(("client", name) for name in world.names)]:
        waits = gone if service in STORES else gone | setup
        steps += _start(world, service, machine, waits)
    return _one_first(arranged(world, steps))


def _one_first(steps: list[Step]) -> list[Step]:
    """Let replacements of a service wait for the first: what cannot start harms one machine only.

    Replicas of one service are never replaced at the same time, clients are after the first.
    """
    ordered: list[Step] = []
    earlier: dict[str, str] = {}
    for step in steps:
        service = step.key.split("@")[0]
        is_replaced = step.risk is Risk.RESTART and not service.startswith("remove:")
        before = earlier.get(service)
        ordered.append(
            replace(step, after=step.after | {before}) if is_replaced and before else step
        )
        if is_replaced and (service != "client" or before is None):
            earlier[service] = step.key
    return ordered


def _start(world: World, service: str, machine: str, waits: frozenset[str]) -> list[Step]:
    spec = world.container(service, machine)
    there = world.facts[machine].containers.get(service)
    reason = _difference(spec, there)
    if reason is None:
        return []
    image = service if service in STORES else "services"
    after = waits | {f"files@{machine}", f"docker@{machine}", image_key(machine, image)}
    if service == "client":
        after |= {guards_key(machine)}
    risk = Risk.NONE if there is None else Risk.DOWNTIME if service in STORES else Risk.RESTART
    phase = Phase.STORES if service in STORES else (
        Phase.CLIENT if service == "client" else Phase.SERVICES)  # fmt: skip
    verb = "start" if there is None else "replace"
    run = _runner(world, machine, spec, there.image_id if there else spec.image_id)
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


def _runner(
    world: World, machine: str, spec: ContainerSpec, before: str
) -> Callable[[], None]:
    host = world.hosts[machine]
    is_quorum = spec.service == "kafka" and len(world.seats()) > 1
    is_first_quorum = is_quorum and not is_rolling(world)

    def run() -> None:
        if spec.service in STORES:
            refuse_older(host, spec.service, before, spec.image_id)
        check = (HEALTH_PORTS.get(spec.service), READY_WITHIN_S)
        start_container(host, spec, world.description.platform, check)
        if spec.service not in STORES or is_first_quorum:
            return
        wait_until_healthy(host, spec.service)
        if is_quorum:
            wait_in_sync(world, host)

    return run


def wait_until_healthy(host: Host, store: str) -> None:
    """Wait until a data store answers its own check; raise `MachineError`."""
    command = f"/opt/{store}/healthcheck.sh"
    host.script(f"waiting for {store}", _GATE, f"rota-{store}", command, timeout_s=150.0)


def start_container(
    host: Host, spec: ContainerSpec, platform: str, check: tuple[int | None, int]
) -> None:
    """Run a container in the place of what ran under its name.

    `check` is the port whose /readyz must answer, and within how many seconds; else what ran before
    comes back and `MachineError` is raised.
    """
    port, seconds = check
    script = "READY=$1; shift\n" + _RUN
    host.script(f"starting {spec.service}", script, _READY, spec.name, str(port or ""),
                str(seconds), *run_args(spec, platform), timeout_s=seconds + 90.0)  # fmt: skip


def _removals(world: World) -> list[Step]:
    """Remove what runs on a machine it was not placed on; a data store is never moved so."""
    wanted = {(placed.service, placed.machine) for placed in world.placed()}
    steps = []
    for machine in world.names:
        for service in world.facts[machine].containers:
            if service == "client" or (service, machine) in wanted:
                continue
            if service in STORES:
                raise _left_behind(world, service, machine)
            name = f"rota-{service.replace('_', '-')}"
            steps.append(Step(
                f"remove:{service}@{machine}", machine, Phase.SERVICES, f"stop {service}",
                "it was placed elsewhere", _remover(world, machine, name), risk=Risk.RESTART,
            ))  # fmt: skip
    return steps


def _left_behind(world: World, store: str, machine: str) -> MachineError:
    fix = f"pin it here again (services: {{{store}: {{on: [{machine}]}}}})"
    if store in world.description.external:
        fix = f"take `{store}: {{external: ...}}` out of the file: what runs stays"
    return MachineError(Failure(
        machine, f"moving {store}", "its data is here and would be left behind", next_step=fix,
    ))  # fmt: skip


def _remover(world: World, machine: str, name: str) -> Callable[[], None]:
    host = world.hosts[machine]
    return lambda: _ignore(host.script(f"stopping {name}", _REMOVE, name))


def _ignore(_: str) -> None:
    """Drop what a command printed."""
