"""The files on each machine: the map, the sampler, and the secrets of what runs there."""

from __future__ import annotations

from common.sampler import SAMPLER_SCRIPT
from common.secret import APP_SECRETS
from platform_initializer.domain.steps import CLEANING, Phase, Step
from platform_initializer.host import Host, RemoteFile
from platform_initializer.world import MAP, SAMPLER_HOME, SAMPLER_PATH, SECRETS, World, digest


def plan(world: World, machine: str) -> list[Step]:
    """Return the step, if any file is absent or differs in content, mode or owner."""
    wanted = wanted_files(world, machine)
    differing = [file for file in wanted if _differs(world, machine, file)]
    return [*_installed(world, machine, differing), *_removed(world, machine, wanted)]


def _removed(world: World, machine: str, wanted: list[RemoteFile]) -> list[Step]:
    """Take away secrets that nothing there is to read: of apps, of the mail server, of what moved.

    A service's own go after it was replaced or stopped: until then it may start again.
    """
    paths = {file.path for file in wanted}
    folders = (f"{APP_SECRETS}/", f"{SECRETS}/")
    gone = sorted(path for path in world.facts[machine].files
                  if path.startswith(folders) and path not in paths)  # fmt: skip
    if not gone:
        return []
    host = world.hosts[machine]
    services = {path.split("/")[4] for path in gone if path.startswith(f"{SECRETS}/")}
    after = {f"{prefix}{service}@{machine}" for service in services for prefix in ("", "remove:")}
    reason = "no longer kept: " + ", ".join(path.rsplit("/", 1)[-1] for path in gone)
    return [Step(f"{CLEANING}{machine}", machine, Phase.SERVICES, "remove secrets", reason,
                 lambda: _remove(host, gone), frozenset(after))]  # fmt: skip


def _remove(host: Host, paths: list[str]) -> None:
    host.script("removing secrets", 'rm -f -- "$@"', *paths)


def _installed(world: World, machine: str, differing: list[RemoteFile]) -> list[Step]:
    if not differing:
        return []
    host = world.hosts[machine]
    names = ", ".join(file.path.rsplit("/", 1)[-1] for file in differing[:4])
    more = f" and {len(differing) - 4} more" if len(differing) > 4 else ""
    reason = f"absent or different: {names}{more}"
    return [Step(f"files@{machine}", machine, Phase.FILES, "write files", reason,
                 lambda: host.install(differing))]  # fmt: skip


def wanted_files(world: World, machine: str) -> list[RemoteFile]:
    """List every file of ours that is to be on a machine."""
    restrict = f'restrict,command="{SAMPLER_PATH}"'
    files = [
        RemoteFile(MAP, world.machines_map()),
        RemoteFile(SAMPLER_PATH, SAMPLER_SCRIPT.encode(), 0o755),
        RemoteFile(f"{SAMPLER_HOME}/.ssh/authorized_keys",
                   f"{restrict} {world.sampler_public_key()} rota-sampler\n".encode()),
    ]  # fmt: skip
    for service in services_on(world, machine):
        files += world.secret_files(service)
    files += [  # the app's user is the image's business; the folder is open to root alone
        RemoteFile(f"{APP_SECRETS}/{name}", value.encode(), 0o444)
        for name, value in sorted(world.store.app_secrets().items())
    ]
    return files


def services_on(world: World, machine: str) -> list[str]:
    """Name what needs secrets there: services, the client, and the tasks beside the stores."""
    services = [placed.service for placed in world.placed() if placed.machine == machine]
    tasks = [task for task, store in (("migrations", "mysql"), ("topics", "kafka"))
             if store in services or world.task_home(store) == machine]  # fmt: skip
    return [*services, *tasks, "client"]


def _differs(world: World, machine: str, file: RemoteFile) -> bool:
    there = world.facts[machine].files.get(file.path)
    return there is None or (there.sha256, there.mode, there.uid) != (
        digest(file.content), file.mode, file.uid,
    )  # fmt: skip
