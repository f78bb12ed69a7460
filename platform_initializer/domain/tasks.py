"""Containers that do one thing beside a store and end: databases, topics, questions. Pure."""

from __future__ import annotations

from dataclasses import replace

from platform_initializer.domain.container import SECRETS, ContainerSpec
from platform_initializer.domain.services import Site

_ASK_FIRST = "python3 -m platform_initializer.outside"


def migrations_task(site: Site) -> ContainerSpec:
    """Describe the task that makes databases, tables, users and grants, one after the other."""
    owners = {"SCHEDULER": "rota_scheduler", "DEPLOYER": "rota_deployer",
              "NODES": "rota_nodes", "APP": "rota_app"}  # fmt: skip
    settings = site.mysql_place() | {
        "ROTA_MYSQL_ADMIN_USER": site.admins.get("mysql", "root"),
        "ROTA_MYSQL_ADMIN_PASSWORD_FILE": f"{SECRETS}/root_password",
        **{f"ROTA_{key}_PASSWORD_FILE": f"{SECRETS}/{user}_password"
           for key, user in owners.items()},
    }  # fmt: skip
    modules = ("application_manager.migrations", "node_manager.migrations",
               "scheduler.schedulerInit", "deployment_manager.migrations")  # fmt: skip
    script = 'for module in "$@"; do python3 -m "$module" || exit; done'
    if "mysql" in site.admins:
        script = f"{_ASK_FIRST} mysql || exit; {script}"
    return _task("migrations", site, settings, ("/bin/sh", "-c", script, "migrations", *modules))


def topics_task(site: Site, nodes: tuple[str, ...]) -> ContainerSpec:
    """Describe the task that makes the topics."""
    settings = {
        "ROTA_KAFKA_BOOTSTRAP": site.kafka,
        "ROTA_KAFKA_USER": site.admins.get("kafka", "rota_admin"),
        "ROTA_KAFKA_PASSWORD_FILE": f"{SECRETS}/kafka_password",
        "ROTA_KAFKA_CA_FILE": site.ca_file("kafka"),
        "ROTA_KAFKA_USERS_FILE": f"{SECRETS}/users",
    }
    command: tuple[str, ...] = ("python3", "-m", "platform_initializer.topics", *nodes)
    if "kafka" in site.admins:
        script = f'{_ASK_FIRST} kafka && exec "$@"'
        command = ("/bin/sh", "-c", script, "topics", *command)
    return _task("topics", site, settings, command)


def asking_task(store: str, site: Site) -> ContainerSpec:
    """Describe the task that asks a server of the operator's whether it is fit."""
    task = topics_task(site, ()) if store == "kafka" else migrations_task(site)
    return replace(task, command=(*_ASK_FIRST.split(), store))


def in_sync_task(site: Site) -> ContainerSpec:
    """Describe the task that waits until every broker has all that it is to have."""
    task = topics_task(site, ())
    return replace(task, command=("python3", "-m", "platform_initializer.in_sync"))


def _task(
    name: str, site: Site, settings: dict[str, str], command: tuple[str, ...]
) -> ContainerSpec:
    return ContainerSpec(
        service=name, image="rota/services", image_id=site.images["services"], command=command,
        settings=tuple(sorted(settings.items())),
        mounts=(f"/etc/rota/secrets/{name}:{SECRETS}:ro",), tmpfs=("/tmp:size=16m",),  # noqa: S108
    )  # fmt: skip
