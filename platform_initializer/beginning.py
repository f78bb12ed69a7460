"""`rota platform init`: scans machines for their host keys and writes a commented `platform.yml`.

Nothing is trusted by itself: the caller has a person confirm each fingerprint before it is written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import Permanent, RotaError
from common.ssh import SshDoor
from platform_initializer.document import ADDRESS, parse_description
from platform_initializer.errors import Failure
from platform_initializer.gather import failure_of, side_by_side

_TARGET = re.compile(r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]{0,31})@)?(?P<rest>\S+)")
_PORT = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:]+)\]|(?P<host>[A-Za-z0-9.-]+)):(?P<port>[0-9]{1,5})")


class BadTargetError(Permanent):
    """What was given is not a way to reach a machine."""


@dataclass(frozen=True)
class Target:
    """One machine as a person names it at first: who logs in, where."""

    address: str
    user: str = "root"
    port: int = 22


@dataclass(frozen=True)
class Scanned:
    """One machine with the fingerprint it showed; nothing was sent to it."""

    name: str
    target: Target
    fingerprint: str


def parse_target(text: str) -> Target:
    """Read ``user@host``, ``host``, ``user@host:port`` or ``[v6]:port``; raise `BadTargetError`."""
    found = _TARGET.fullmatch(text)
    user, rest = (found["user"] or "root", found["rest"]) if found else ("", "")
    with_port = _PORT.fullmatch(rest)
    address, port = rest, 22
    if with_port:
        address, port = with_port["six"] or with_port["host"], int(with_port["port"])
    if not ADDRESS.fullmatch(address) or not 1 <= port <= 65535:
        raise BadTargetError(f"{text!r} is not like user@host or user@host:port")
    return Target(address, user, port)


def scan(
    targets: Sequence[Target], door: SshDoor, first_number: int = 1
) -> tuple[list[Scanned], list[Failure]]:
    """Read each machine's fingerprint, all at once; return those that answered, and the others."""
    numbered = [(f"m{number}", target) for number, target in enumerate(targets, first_number)]

    def one(pair: tuple[str, Target]) -> str:
        return door.scan_host_key(pair[1].address, pair[1].port, 10.0)

    scanned, failures = [], []
    for (name, target), shown in side_by_side(numbered, one, 30):
        if isinstance(shown, RotaError):
            failures.append(failure_of(target.address, "reading its host key", shown))
        else:
            scanned.append(Scanned(name, target, shown))
    return scanned, failures


def entry_text(one: Scanned, *, with_login: bool) -> str:
    """Write one machine of the file."""
    text = f'  - name: {one.name}\n    address: "{one.target.address}"\n'
    if with_login:
        text += f"    ssh: {{user: {one.target.user}, port: {one.target.port}}}\n"
    return text + f'    host_key: "{one.fingerprint}"\n'


def platform_text(name: str, machines: Sequence[Scanned], keys: Sequence[str] = ()) -> str:
    """Return a whole commented file for these machines, or for this one where there are none."""
    text = _HEAD.format(name=name)
    if machines:
        first = machines[0].target
        shown = ", ".join(f'"{key}"' for key in keys)
        keys_line = f"  keys: [{shown}]\n" if keys else _ANY_KEY
        text += _SSH.format(user=first.user, port=first.port) + keys_line + _MACHINES
        text += "".join(
            entry_text(one, with_login=(one.target.user, one.target.port)
                       != (first.user, first.port))
            for one in machines
        )  # fmt: skip
    else:
        text += _LOCAL
    parse_description(text.encode(), "platform.yml", Path.cwd())  # what we write, we can read
    return text + _REST


_HEAD = """\
# A platform: which machines there are and what runs on them.
#
#   rota platform plan       what would be done, where and why; changes nothing
#   rota platform up         makes it so; run it again after every change of this file
#   rota platform doctor     looks for what is wrong and tells the fix
#
# Whatever is not known here is an error with its line: nothing is ignored. Lines with # are
# examples; config/platform.example.yml has every key.

version: 1

# Its name: a label on everything the platform makes.
platform: {name}
"""
_SSH = """
# How the tool logs in: as root, or as a user that may use sudo without a password.
ssh:
  user: {user}
  port: {port}
"""
_ANY_KEY = "  # keys: [~/.ssh/id_ed25519]  # else the keys `ssh` itself would offer\n"
_MACHINES = """
# Docker Engine is installed where it is missing. `address` is how the tool and the other machines
# reach it, and the only one that anything listens on: give the one in the private network.
# `host_key` was shown by the machine and confirmed by you; a machine that shows another one is
# sent nothing. `labels` are yours: an app can ask for a machine that has one.
#   labels: {zone: b}
machines:
"""
_LOCAL = """
# This machine, without SSH. With more machines each gets a name, an address and a host key:
#   rota platform machine add user@host
machines:
  - {name: here, local: true}
"""
_REST = """
# Which service runs where is decided by itself (`rota platform plan` tells why). To pin or double:
# services:
#   mysql: {on: [m1]}
#   scheduler: {replicas: 2}
#   application_manager: {publish: 8443}   # the port of the page and the API

# The images of your apps, sent from this machine's Docker to all machines: they need no registry.
# images:
#   apps: ["shop/heating:1.4"]

# Every password and key is generated and kept here, for you alone. A name that ends in .enc is
# encrypted with a passphrase (asked for, or read from the file in ROTA_PASSPHRASE_FILE).
secrets:
  store: ./secrets.json
"""
