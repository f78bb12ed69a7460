"""`rota platform down`: stop what is ours, found by label; with `--destroy` remove its data too."""

from __future__ import annotations

from collections.abc import Callable

from common.errors import RotaError
from common.ssh import SshDoor
from platform_initializer.domain.description import Description
from platform_initializer.errors import PartlyDoneError
from platform_initializer.gather import failure_of, reach, side_by_side
from platform_initializer.host import Host
from platform_initializer.machines.fleet import Fleet
from platform_initializer.progress import Progress
from platform_initializer.revisions import Revisions
from platform_initializer.secret_store import SecretStore
from platform_initializer.steps import guards

STOP = (
    """\
set -eu
command -v docker > /dev/null || exit 0
for label in io.rota.service io.rota.job; do
    ids=$(docker ps -aq --filter "label=io.rota.platform=$1" --filter "label=$label")
    [ -z "$ids" ] || { docker stop -t 25 $ids > /dev/null; docker rm -f $ids > /dev/null; }
done
"""
    + guards.REMOVE
    + """\
[ "$2" = destroy ] || exit 0
docker volume rm rota-kafka rota-mysql > /dev/null 2>&1 || true
rm -rf /run/rota-client /etc/rota /var/lib/rota /usr/local/lib/rota /var/lib/rota-sampler
# the load balancer may be connected yet: its key is gone, its session goes now
for i in 1 2 3 4 5; do
    id rota-sampler > /dev/null 2>&1 || exit 0
    pids=$(find /proc -maxdepth 1 -user rota-sampler -printf '%f ' 2> /dev/null) || true
    [ -z "$pids" ] || kill -9 $pids 2> /dev/null || true
    ! userdel rota-sampler 2> /dev/null || exit 0
    sleep 0.5
done
userdel rota-sampler
"""
)


def down(
    description: Description, door: SshDoor, progress: Progress, *, destroy: bool = False
) -> None:
    """Stop the platform; `destroy` also removes data, secrets and the machines a driver made.

    Machines that a driver made are simply destroyed, whatever state they are in.
    """
    store = SecretStore(description.store)
    if not destroy and store.is_new:
        progress.say("nothing was ever started from this file")
        return
    store.complete()
    fleet = Fleet(description, store)
    made = fleet.destroy() if destroy else []
    for name in made:
        progress.say(f"destroyed machine {name}")
    gathered = reach(fleet.existing(), description, door)
    try:
        failures = list(gathered.failures)
        mode = "destroy" if destroy else "stop"
        stop = _stopper(description.platform, mode)
        for host, found in side_by_side(gathered.hosts.values(), stop, description.parallel):
            if isinstance(found, RotaError):
                failures.append(failure_of(host.name, "stopping the platform", found))
            else:
                progress.say(f"{host.name}: stopped" + (", data removed" if destroy else ""))
    finally:
        gathered.close()
    if failures:
        raise PartlyDoneError(failures, len(gathered.hosts))
    if destroy:
        _forget(description)


def _stopper(platform: str, mode: str) -> Callable[[Host], str]:
    return lambda host: host.script(
        "stopping the platform", STOP, platform, mode, timeout_s=180.0
    )


def _forget(description: Description) -> None:
    """Remove the secrets of a platform that is no more."""
    folder = description.store.parent
    Revisions(description.store).forget()
    for path in (description.store, folder / "tool_ed25519", folder / "ca.pem"):
        path.unlink(missing_ok=True)
