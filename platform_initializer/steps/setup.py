"""Databases with their users, and topics: tasks run beside the stores, remembered by stamps."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from common.messages.topics import fixed_topics, node_topics
from platform_initializer.access import access_rules
from platform_initializer.domain.container import ContainerSpec, once_args
from platform_initializer.domain.steps import Phase, Step
from platform_initializer.domain.tasks import migrations_task, topics_task
from platform_initializer.steps.brokers import QUORUM
from platform_initializer.steps.images import image_key
from platform_initializer.world import World, digest

_TASK = """\
set -eu
stamp=$1 value=$2; shift 2
"$@" 2>&1 || { code=$?; exit $code; }
printf '%s\\n' "$value" > "/var/lib/rota/stamps/.$stamp"
mv -f "/var/lib/rota/stamps/.$stamp" "/var/lib/rota/stamps/$stamp"
"""


def plan(world: World) -> list[Step]:
    """Return the two steps, each where what it would do differs from what was done."""
    site = world.site()
    topics = topics_task(site, tuple(world.names))
    return [
        *_task(world, _migrations(world), "databases", "mysql"),
        *_task(world, topics, "topics", "kafka"),
    ]


def stamp_of(world: World, key: str) -> str:
    """Return what stands for the databases or the topics as they are to be.

    Topics depend on their list alone: another image of the services makes them no other.
    """
    if key == "databases":
        return _migrations(world).spec_hash()
    wanted = [*fixed_topics(), *(t for name in world.names for t in node_topics(name))]
    rules = access_rules(world.names)
    whole = repr((wanted, rules)) + world.store.text("kafka_users")
    if external := world.description.external.get("kafka"):
        whole += repr(external)
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def _task(world: World, spec: ContainerSpec, key: str, store: str) -> list[Step]:
    machine, stamp = world.task_home(store), stamp_of(world, key)
    done = world.facts[machine].stamps.get(key)
    if done == stamp:
        return []
    after = {f"files@{machine}", image_key(machine, "services")}
    homes = world.homes_of(store)
    after |= {f"{store}@{home}" for home in homes} | ({QUORUM} if len(homes) > 1 else set())
    reason = "not made yet" if done is None else "what is wanted changed"
    title = f"make {key}"
    return [Step(key, machine, Phase.SETUP, title, reason,
                 _runner(world, machine, spec, (key, stamp)), frozenset(after))]  # fmt: skip


def _runner(
    world: World, machine: str, spec: ContainerSpec, mark: tuple[str, str]
) -> Callable[[], None]:
    host = world.hosts[machine]

    def run() -> None:
        host.script(f"making {mark[0]}", _TASK, *mark, *once_args(spec), timeout_s=180.0)

    return run


def _migrations(world: World) -> ContainerSpec:
    spec = migrations_task(world.site())
    files = world.secret_files(spec.service)
    return replace(spec, files=tuple((file.path, digest(file.content)) for file in files))
