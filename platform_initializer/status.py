"""`rota platform status`: what runs where and what is wanted, as file and machines say it.

Read-only: two commands a machine, one for its facts and one that asks its services; what is wanted
is worked out here, from the same facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.errors import RotaError
from common.ssh import SshDoor
from platform_initializer.comparing import Comparison, compare_all
from platform_initializer.domain.container import ContainerSpec
from platform_initializer.domain.description import Description
from platform_initializer.domain.facts import ContainerFact
from platform_initializer.domain.services import KAFKA_PORT
from platform_initializer.gather import Gathered, reach, side_by_side
from platform_initializer.health import Said, ask_services
from platform_initializer.machines import Machine
from platform_initializer.machines.fleet import Fleet
from platform_initializer.secret_store import SecretStore

Answers = Mapping[str, Mapping[str, Said]]
"""What the services said, by machine and service."""


def status(description: Description, door: SshDoor) -> dict[str, Any]:
    """Return kafka, url, machines and services; a machine that is silent says why."""
    store = SecretStore(description.store)
    machines: list[Machine] = []
    if not store.is_new:
        store.complete(keep=False)
        machines = Fleet(description, store).existing()
    gathered = reach(machines, description, door, lock=False)
    try:
        answers = _answers(gathered, description.parallel)
        compared = compare_all(description, machines, gathered, store)
    finally:
        gathered.close()
    by_name = {machine.name: machine for machine in machines}
    return report(description, by_name, gathered, (answers, compared))


def report(
    description: Description, machines: Mapping[str, Machine], gathered: Gathered,
    found: tuple[Answers, Comparison],
) -> dict[str, Any]:  # fmt: skip
    """Put what was found together; ages are seconds, `not_compared` is why wishes are unknown."""
    answers, compared = found
    brokers = [f"{address}:{KAFKA_PORT}" for address in _addresses_of("kafka", gathered, machines)]
    if outside := description.external.get("kafka"):
        brokers = list(outside.addresses)
    pages = _addresses_of("application_manager", gathered, machines)
    names = description.machine_names()
    return {
        "platform": description.platform,
        "kafka": ",".join(brokers) or None,
        "url": f"https://{pages[0]}:{description.publish}" if pages else None,
        "not_compared": compared.unknown,
        "machines": [
            _machine_row(name, machines.get(name), gathered)
            | {"heartbeat_age_s": _age(answers, name, "client"),
               "drift": compared.machine_drift(name)}
            for name in names
        ],
        "services": [row for name in names for row in _service_rows(name, gathered, found)],
    }  # fmt: skip


def _answers(gathered: Gathered, parallel: int) -> Answers:
    found: dict[str, Mapping[str, Said]] = {}
    names = [name for name, facts in gathered.facts.items()
             if "client" in facts.containers
             and facts.containers["client"].state == "running"]  # fmt: skip

    def ask(name: str) -> Mapping[str, Said]:
        return ask_services(gathered.hosts[name], list(gathered.facts[name].containers), 0.0)

    for name, answer in side_by_side(names, ask, parallel):
        found[name] = {} if isinstance(answer, RotaError) else answer
    return found


def _age(answers: Answers, machine: str, service: str) -> float | None:
    said = answers.get(machine, {}).get(service)
    return said.beat_age_s if said else None


def _service_rows(
    machine: str, gathered: Gathered, found: tuple[Answers, Comparison]
) -> list[dict[str, Any]]:
    """Tell of what runs on a machine, and of what is wanted there and does not."""
    answers, compared = found
    facts = gathered.facts.get(machine)
    there = facts.containers if facts else {}
    wanted = {service: spec for (name, service), spec in compared.wanted.items() if name == machine}
    return [
        _actual(machine, service, there.get(service), answers.get(machine, {}).get(service))
        | _wanted(wanted.get(service))
        | {"drift": compared.service_drift(machine, service)}
        for service in sorted({*there, *wanted})
    ]


def _actual(
    machine: str, service: str, container: ContainerFact | None, said: Said | None
) -> dict[str, Any]:
    health, detail = _health(container, said)
    return {
        "machine": machine, "service": service, "health": health,
        "state": container.state if container else "absent",
        "restarts": container.restarts if container else None,
        "image": _short(container.image_id) if container else None,
        "spec": container.spec_hash if container else None,
        "started_at": container.started_at if container else None,
        "heartbeat_age_s": said.beat_age_s if said else None, "detail": detail,
    }  # fmt: skip


def _health(container: ContainerFact | None, said: Said | None) -> tuple[str, str | None]:
    if container is None:
        return "absent", None
    if container.state != "running":
        return container.state, None
    if container.health != "-":
        return container.health, None
    if said is None:
        return "unknown", None
    return ("ready" if said.lacks is None else "not ready"), said.lacks


def _wanted(spec: ContainerSpec | None) -> dict[str, Any]:
    return {
        "wanted_image": _short(spec.image_id) if spec else None,
        "wanted_spec": spec.spec_hash() if spec else None,
    }


def _short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:12]


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


def _addresses_of(
    service: str, gathered: Gathered, machines: Mapping[str, Machine]
) -> list[str]:
    return [machines[name].address for name, facts in gathered.facts.items()
            if service in facts.containers]  # fmt: skip
