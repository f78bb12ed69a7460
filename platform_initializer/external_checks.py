"""The doctor's look at Kafka and MySQL that are servers of the operator's: E701, E702.

Each machine tries the ports itself; the login and its rights are tried from the machine that makes
topics and databases, with the files that are there already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from common.errors import RotaError
from platform_initializer.domain.container import once_args
from platform_initializer.domain.description import Description
from platform_initializer.domain.findings import Finding
from platform_initializer.domain.tasks import asking_task
from platform_initializer.errors import MachineError
from platform_initializer.gather import Gathered, side_by_side
from platform_initializer.host import Host
from platform_initializer.local_images import OURS, LocalImage
from platform_initializer.machines import Machine
from platform_initializer.secret_store import SecretStore
from platform_initializer.world import World

CHECKS = 2
_TRY = """\
for place in "$@"; do
    timeout 3 bash -c "exec 3<>/dev/tcp/${place%:*}/${place##*:}" 2> /dev/null || echo "$place"
done
"""


def external_findings(world: World) -> list[Finding]:
    """Return what is wrong with the servers, seen from the machines; changes nothing."""
    places = {address: store for store, one in world.description.external.items()
              for address in one.addresses}  # fmt: skip
    if not places or not world.names:
        return []
    unreached = list(_unreached(world, places))
    silent = {finding.machine for finding in unreached}
    asked = [store for store in world.description.external if world.task_home(store) not in silent]
    return [*unreached, *(found for store in asked for found in _unfit(world, store))]


def world_there(
    description: Description, machines: Sequence[Machine], gathered: Gathered, store: SecretStore
) -> World:
    """Return the world of what answers, with the image that its clients run."""
    known = {machine.name: machine for machine in machines if machine.name in gathered.facts}
    clients = [facts.containers["client"] for facts in gathered.facts.values()
               if "client" in facts.containers]  # fmt: skip
    there = clients[0].image_id if clients else ""
    images = {reference: LocalImage(reference, there, 0) for reference in OURS.values()}
    return World(description, known, gathered.hosts, gathered.facts, images, store)


def _unreached(world: World, places: Mapping[str, str]) -> Iterator[Finding]:
    def one(host: Host) -> str:
        return host.script("trying the external servers", _TRY, *places,
                           timeout_s=30.0 + 4 * len(places))  # fmt: skip

    for host, said in side_by_side(world.hosts.values(), one, world.description.parallel):
        for address in said.split() if isinstance(said, str) else ():
            yield Finding(
                "E701", "error", host.name, "an external server does not answer",
                f"{places[address]} at {address}", "services there cannot work without it",
                f"let {host.name} reach {address} (firewall, bind address), or start it",
            )  # fmt: skip


def _unfit(world: World, store: str) -> Iterator[Finding]:
    machine = world.task_home(store)
    if "client" not in world.facts[machine].containers:
        return  # before the first `up` neither image nor password is there
    argv = once_args(asking_task(store, world.site()))
    try:
        world.hosts[machine].command(f"asking the external {store}", argv, timeout_s=60.0)
    except MachineError as error:
        for line in error.failure.last_lines or (error.failure.why,):
            yield Finding(
                "E702", "error", machine, "an external server is not fit", f"{store}: {line}",
                "topics, users or databases cannot be made there",
                f"allow it there, or `rota platform secrets external {store}` for a new password",
            )  # fmt: skip
    except RotaError:
        return
