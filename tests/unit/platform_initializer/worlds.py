"""Worlds to plan in: three machines whose facts a test chooses."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from common.ssh.memory import MemoryConnection, MemoryMachine
from platform_initializer.domain.container import spec_text
from platform_initializer.domain.description import Description, MachineEntry, SshLogin
from platform_initializer.domain.facts import ContainerFact, Facts, FileFact
from platform_initializer.host import Host
from platform_initializer.local_images import OURS, LocalImage
from platform_initializer.machines import Machine
from platform_initializer.secret_store import SecretStore
from platform_initializer.steps import configuration, guards, images, prerequisites, setup
from platform_initializer.world import World, digest

BARE = Facts(
    os="debian 12", machine_id="a", cpus=2, memory=4 << 30, disk_free=40 << 30, packager="apt",
    has_systemd=True,
)  # fmt: skip
NOW = datetime(2026, 1, 1, tzinfo=UTC)
APP = "shop/heating:1"


def world(tmp_path: Path, count: int = 3, **changes: object) -> World:
    """Return bare machines m1... with a description of them."""
    names = [f"m{number}" for number in range(1, count + 1)]
    entries = tuple(MachineEntry(n, f"10.0.0.{n[1:]}", SshLogin(), "SHA256:k") for n in names)
    description = Description(
        "test", tmp_path, tmp_path / "secrets.json", machines=entries, apps=(APP,)
    )
    store = SecretStore(description.store)
    store.complete()
    servers = {"kafka": ["10.0.0.1"], "mysql": ["10.0.0.2"], "application_manager": ["10.0.0.3"]}
    store.certify("test", servers, NOW)
    return World(
        description=replace(description, **changes),
        machines={e.name: Machine(e.name, e.address, e.login, e.host_key) for e in entries},
        hosts={name: Host(name, MemoryConnection(MemoryMachine("SHA256:k"))) for name in names},
        facts={name: replace(BARE, machine_id=name) for name in names},
        images={
            reference: LocalImage(reference, "sha256:" + digest(reference.encode()), 1 << 20)
            for reference in (*OURS.values(), APP)
        },
        store=store,
    )


def converged(bare: World) -> World:
    """Return the same world with every machine as the plan wants it."""
    facts = {name: _machine_done(bare, name) for name in bare.names}
    there = replace(bare, facts=facts)
    facts = {
        name: replace(known, stamps={
            step.key: stamp for step, stamp in _stamps(there) if step.machine == name})
        for name, known in facts.items()
    }  # fmt: skip
    return replace(bare, facts=facts)


def change(there: World, machine: str, **changes: object) -> World:
    """Return the world with other facts of one machine."""
    facts = {**there.facts, machine: replace(there.facts[machine], **changes)}
    return replace(there, facts=facts)


def _machine_done(bare: World, name: str) -> Facts:
    files = {
        file.path: FileFact(digest(file.content), file.mode, file.uid)
        for file in [*configuration.wanted_files(bare, name), *guards.wanted_files(bare)]
    }
    wanted = images.needed_images(bare, name)
    services = [p.service for p in bare.placed() if p.machine == name] + ["client"]
    return replace(
        bare.facts[name], docker="20.10", has_docker_client=True, has_sampler=True,
        has_folders=True, docker_settings='{"live-restore": true}', files=files,
        units=dict.fromkeys(guards.UNITS, guards.WELL), has_firewall_rules=True,
        images=frozenset(i.image_id for i in wanted),
        tags={i.reference: i.image_id for i in wanted},
        containers={service: container(bare, service, name) for service in services},
    )  # fmt: skip


def container(there: World, service: str, machine: str) -> ContainerFact:
    """Return a service's container as the plan would have made it."""
    spec = there.container(service, machine)
    return ContainerFact(service, spec.spec_hash(), "running", 0, spec.image_id, spec.image,
                         "2026-01-01T00:00:00Z", "-", spec_text(spec))  # fmt: skip


def _stamps(there: World) -> list[tuple[object, str]]:
    return [(step, setup.stamp_of(there, step.key)) for step in setup.plan(there)]


__all__ = ["APP", "BARE", "change", "container", "converged", "prerequisites", "world"]
