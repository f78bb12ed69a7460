"""What is true of a machine, as `facts.sh` prints it. Pure."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace

from common.errors import Permanent

_EVERYWHERE = {"0.0.0.0", "*", "[::]"}


class StrangeFactsError(Permanent):
    """The machine's answer is not complete."""


@dataclass(frozen=True)
class FileFact:
    """One of our files as it is on the machine."""

    sha256: str
    mode: int
    uid: int


@dataclass(frozen=True)
class ContainerFact:
    """One container of ours as it is on the machine."""

    service: str
    spec_hash: str
    state: str
    restarts: int
    image_id: str
    image: str
    started_at: str
    health: str = "-"
    spec: str = "{}"
    """What it was made from, as `domain.container.spec_text` writes it."""


@dataclass(frozen=True)
class Facts:
    """One machine. `docker` is the daemon's version, empty when no daemon answers."""

    os: str = ""
    machine_id: str = ""
    cpus: int = 0
    memory: int = 0
    disk_free: int = 0
    clock: int = 0
    cgroup: str = "/"
    packager: str = ""
    """`apt` or `dnf`, empty when it has neither."""
    os_like: tuple[str, ...] = ()
    """ID_LIKE of its os-release."""
    lacks_apparmor_parser: bool = False
    has_systemd: bool = False
    has_sampler: bool = False
    has_folders: bool = False
    has_docker_client: bool = False
    docker: str = ""
    docker_settings: str = ""
    """The text of /etc/docker/daemon.json, empty when there is none."""
    addresses: tuple[str, ...] = ()
    """Where other machines reach it: all of its own, but for those of Docker's bridges."""
    units: dict[str, str] = field(default_factory=dict)
    """The guards' units that are there, each with its state, `active enabled` when all is well."""
    has_firewall_rules: bool = False
    files: dict[str, FileFact] = field(default_factory=dict)
    stamps: dict[str, str] = field(default_factory=dict)
    images: frozenset[str] = frozenset()
    tags: dict[str, str] = field(default_factory=dict)
    containers: dict[str, ContainerFact] = field(default_factory=dict)
    inodes_free: int = -1
    memory_free: int = 1 << 62
    load: float = 0.0
    clock_synchronised: str = ""
    is_read_only: bool = False
    docker_at_boot: str = ""
    docker_storage: str = ""
    docker_sockets: tuple[str, ...] = ()
    foreign_containers: tuple[str, ...] = ()
    job_containers: int = 0
    listening: dict[int, str] = field(default_factory=dict)
    listening_everywhere: frozenset[int] = frozenset()


def parse_facts(text: str) -> Facts:
    """Read the script's lines; raise `StrangeFactsError` when they are not all there."""
    lines: dict[str, list[list[str]]] = {}
    for line in text.splitlines():
        name, *words = line.split(" ")
        lines.setdefault(name, []).append(words)
    if "end" not in lines:
        raise StrangeFactsError(f"the machine's facts are cut short: {text[-200:]!r}")

    def first(name: str, default: str = "") -> str:
        return " ".join(lines[name][0]) if name in lines else default

    try:
        facts = Facts(
            os=first("os"), machine_id=first("machine_id"), cpus=int(first("cpus", "0")),
            memory=int(first("memory_kib", "0")) << 10,
            disk_free=int(first("disk_free_kib", "0")) << 10,
            clock=int(first("clock", "0")), cgroup=first("cgroup") or "/",
            packager=first("packager"), has_systemd="init" in lines,
            has_sampler="sampler" in lines, has_folders="folders" in lines,
            has_docker_client="docker_client" in lines, docker=first("docker"),
            files=dict(_file(words) for words in lines.get("file", [])),
            stamps={words[0]: words[1] for words in lines.get("stamp", []) if len(words) > 1},
            images=frozenset(words[0] for words in lines.get("image", [])),
            tags={words[1]: words[0] for words in lines.get("tag", [])},
            containers={c.service: c for c in map(_container, lines.get("container", []))},
            inodes_free=int(first("inodes_free", "-1")), docker_storage=first("docker_storage"),
            memory_free=int(first("memory_free_kib", str(1 << 52))) << 10,
            load=float(first("load", "0")), clock_synchronised=first("synchronised"),
            is_read_only="read_only" in lines, docker_at_boot=first("docker_at_boot"),
            docker_sockets=tuple(words[0] for words in lines.get("docker_socket", [])),
            foreign_containers=tuple(words[0] for words in lines.get("foreign", [])),
            job_containers=int(first("jobs", "0")),
            listening={int(words[0]): words[2] for words in lines.get("listen", [])},
            listening_everywhere=frozenset(
                int(words[0]) for words in lines.get("listen", []) if words[1] in _EVERYWHERE
            ),
        )  # fmt: skip
        return _with_guards(facts, lines)
    except (ValueError, IndexError) as error:
        raise StrangeFactsError(f"a line of the machine's facts is strange: {error}") from error


def _with_guards(facts: Facts, lines: dict[str, list[list[str]]]) -> Facts:
    settings = lines.get("docker_settings", [[""]])[0][0]
    return replace(
        facts,
        docker_settings=base64.b64decode(settings).decode("utf-8", "replace"),
        addresses=tuple(words[0] for words in lines.get("address", [])),
        units={words[0]: " ".join(words[1:]) for words in lines.get("unit", [])},
        has_firewall_rules="firewall" in lines,
        os_like=tuple(lines.get("os_like", [[]])[0]),
        lacks_apparmor_parser="no_apparmor_parser" in lines,
    )


def _file(words: list[str]) -> tuple[str, FileFact]:
    digest, mode, uid, *path = words
    return " ".join(path), FileFact(digest, int(mode, 8), int(uid))


def _container(words: list[str]) -> ContainerFact:
    service, spec_hash, state, restarts, image_id, image, started_at, health, *spec = words
    return ContainerFact(
        service, spec_hash, state, int(restarts), image_id, image, started_at, health,
        " ".join(spec) or "{}",
    )  # fmt: skip
