"""Watchdog and firewall of each machine: stop times hold without a client, apps stay apart."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from node_manager.client import firewall, watchdog
from platform_initializer.domain.facts import Facts
from platform_initializer.domain.services import uid_of
from platform_initializer.domain.steps import Phase, Step
from platform_initializer.host import RemoteFile
from platform_initializer.world import World, digest

UNITS = (watchdog.UNIT, firewall.UNIT)
WELL = "active enabled"
REMOVE = f"""
for unit in {" ".join(UNITS)}; do
    [ ! -f "/etc/systemd/system/$unit" ] || systemctl disable -q --now "$unit"
done
[ ! -f /usr/local/lib/rota/firewall.sh ] || /bin/sh /usr/local/lib/rota/firewall.sh remove
rm -f {" ".join(f.path for f in [*watchdog.files_to_install(), *firewall.files_to_install([])])}
systemctl daemon-reload
"""
"""Takes them away again, as root; also where they never were."""


def guards_key(machine: str) -> str:
    """Name the step that guards a machine; no app may run there before."""
    return f"guards@{machine}"


def plan(world: World, machine: str) -> list[Step]:
    """Return the step, if a file differs, a unit does not run or rules are not in force."""
    lacking = _lacking(world.facts[machine], wanted_files(world))
    if not lacking:
        return []
    after = frozenset({f"docker@{machine}", f"files@{machine}"})
    return [Step(guards_key(machine), machine, Phase.FILES, "set up watchdog and firewall",
                 "; ".join(lacking), _runner(world, machine), after)]  # fmt: skip


def wanted_files(world: World) -> list[RemoteFile]:
    """List the files of both; they are the same on every machine."""
    files = [
        *watchdog.files_to_install(uid_of("client")),
        *firewall.files_to_install(addresses_of(world)),
    ]
    return [RemoteFile(file.path, file.content.encode(), file.mode) for file in files]


def addresses_of(world: World) -> list[str]:
    """List every address of every machine: no app may reach one, by whichever of them."""
    named = [machine.address for machine in world.machines.values()]
    own = [address for name in world.names for address in world.facts[name].addresses]
    # Kafka and MySQL elsewhere, too; those that the file calls by a name are not known here.
    named += [one.rpartition(":")[0].strip("[]")
              for server in world.description.external.values() for one in server.addresses]
    # A machine that the file calls by a name told its addresses itself.
    return sorted({str(parsed) for text in [*named, *own] if (parsed := _parsed(text)) is not None})


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _lacking(facts: Facts, files: list[RemoteFile]) -> list[str]:
    differing = [file.path.rsplit("/", 1)[-1] for file in files if _differs(facts, file)]
    lacking = [f"absent or different: {', '.join(differing)}"] if differing else []
    for unit in UNITS:
        state = facts.units.get(unit, "absent")
        if state != WELL and unit not in differing:
            lacking.append(f"{unit} is {state}")
    if not facts.has_firewall_rules and not differing:
        lacking.append("the firewall's rules are not in force")
    return lacking


def _differs(facts: Facts, file: RemoteFile) -> bool:
    there = facts.files.get(file.path)
    return there is None or (there.sha256, there.mode, there.uid) != (
        digest(file.content), file.mode, file.uid,
    )  # fmt: skip


def _runner(world: World, machine: str) -> Callable[[], None]:
    host, files = world.hosts[machine], wanted_files(world)

    def run() -> None:
        host.install(files)
        for module in (watchdog, firewall):
            for command in module.commands_after_files():
                host.command(f"setting up {module.UNIT}", command)

    return run
