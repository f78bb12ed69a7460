"""`rota platform status`: what runs where, as the machines themselves say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.errors import RotaError
from common.ssh import SshDoor
from platform_initializer.domain.description import Description
from platform_initializer.domain.facts import ContainerFact
from platform_initializer.domain.services import KAFKA_PORT
from platform_initializer.gather import Gathered, reach, side_by_side
from platform_initializer.health import ask_readiness
from platform_initializer.machines import Machine
from platform_initializer.machines.fleet import Fleet
from platform_initializer.secret_store import SecretStore


def status(description: Description, door: SshDoor) -> dict[str, Any]:
    """Return kafka, url, machines and services; a machine that is silent says why."""
    store = SecretStore(description.store)
    machines = [] if store.is_new else Fleet(description, store).existing()
    gathered = reach(machines, description, door, lock=False)
    try:
        ready = _readiness(gathered, description.parallel)
    finally:
        gathered.close()
    by_name = {machine.name: machine for machine in machines}
    services = [
        _service_row(name, container, ready.get(name, {}))
        for name, facts in gathered.facts.items()
        for container in sorted(facts.containers.values(), key=lambda c: c.service)
    ]
    kafka = _address_of("kafka", gathered, by_name)
    page = _address_of("application_manager", gathered, by_name)
    return {
        "platform": description.platform,
        "kafka": f"{kafka}:{KAFKA_PORT}" if kafka else None,
        "url": f"https://{page}:{description.publish}" if page else None,
        "machines": [_machine_row(name, by_name.get(name), gathered)
                     for name in description.machine_names()],
        "services": services,
    }  # fmt: skip


def _readiness(gathered: Gathered, parallel: int) -> dict[str, Mapping[str, str | None]]:
    found: dict[str, Mapping[str, str | None]] = {}
    names = [name for name, facts in gathered.facts.items()
             if "client" in facts.containers
             and facts.containers["client"].state == "running"]  # fmt: skip

    def ask(name: str) -> Mapping[str, str | None]:
        return ask_readiness(gathered.hosts[name], list(gathered.facts[name].containers), 0.0)

    for name, answer in side_by_side(names, ask, parallel):
        found[name] = {} if isinstance(answer, RotaError) else answer
    return found


def _service_row(
    machine: str, container: ContainerFact, ready: Mapping[str, str | None]
) -> dict[str, Any]:
    service = container.service
    detail = None
    if container.state != "running":
        health = container.state
    elif container.health != "-":
        health = container.health
    elif service in ready:
        detail = ready[service]
        health = "ready" if detail is None else "not ready"
    else:
        health = "unknown"
    return {
        "machine": machine, "service": service, "state": container.state, "health": health,
        "restarts": container.restarts, "image": container.image_id.removeprefix("sha256:")[:12],
        "started_at": container.started_at, "detail": detail,
    }  # fmt: skip


def _machine_row(name: str, machine: Machine | None, gathered: Gathered) -> dict[str, Any]:
    facts = gathered.facts.get(name)
    failure = next((f for f in gathered.failures if f.machine == name), None)
    return {
        "machine": name,
        "address": machine.address if machine else None,
        "state": "reachable" if facts else "absent" if machine is None else "unreachable",
        "docker": (facts.docker or None) if facts else None,
        "cpus": facts.cpus if facts else None,
        "memory_mb": facts.memory >> 20 if facts else None,
        "detail": failure.why if failure else None,
    }


def _address_of(service: str, gathered: Gathered, machines: Mapping[str, Machine]) -> str | None:
    return next(
        (machines[name].address for name, facts in gathered.facts.items()
         if service in facts.containers), None,
    )  # fmt: skip
