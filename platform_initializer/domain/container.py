"""One container of ours as it is to be, its hash, and the command that makes it. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

SECRETS = "/run/secrets"


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """All that matters to a container; a change of any part is a change of its hash.

    `files` are the digests of what it reads from mounted files that only a restart makes it read
    again (its secrets first of all). `settings` never hold a secret.
    """

    service: str
    image: str
    image_id: str
    command: tuple[str, ...] = ()
    user: str | None = None
    settings: tuple[tuple[str, str], ...] = ()
    mounts: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    memory_mb: int = 256
    pids: int = 256
    is_read_only: bool = True
    files: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The container's name on its machine."""
        return f"rota-{self.service.replace('_', '-')}"

    def spec_hash(self) -> str:
        """Return 16 hexadecimal digits that change with anything above."""
        return hashlib.sha256(spec_text(self).encode()).hexdigest()[:16]


def spec_text(spec: ContainerSpec) -> str:
    """Write all that the hash stands for on one line; it holds digests of secrets, never secrets.

    A container carries it as a label, so that a later plan can tell what changed.
    """
    return json.dumps(asdict(spec), sort_keys=True, separators=(",", ":"))


def changes(before: str, spec: ContainerSpec) -> list[str]:
    """Name what differs between a container's label and what is wanted, one field a line."""
    try:
        old = _flat(json.loads(before))
    except ValueError:
        old = {}
    new = _flat(json.loads(spec_text(spec)))
    return [
        f"{key}: {_short(old.get(key))} -> {_short(new.get(key))}"
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]


def _flat(whole: dict[str, object]) -> dict[str, str]:
    """Write settings and files a field each, so that a change is told by its own name."""
    flat: dict[str, str] = {}
    for key, value in whole.items():
        if key in {"settings", "files"} and isinstance(value, list):
            flat.update({str(pair[0]): str(pair[1]) for pair in value})
        else:
            flat[key] = str(value)
    return flat


def _short(value: str | None) -> str:
    if value is None:
        return "none"
    shown = value.removeprefix("sha256:")
    return shown[:12] if len(shown) == 64 else shown[:60]


def run_args(spec: ContainerSpec, platform: str) -> list[str]:
    """Return the `docker run` argv of a service that stays.

    The host's network, since Kafka, MySQL and every service bind to the machine's private address
    by themselves: published ports would pass by the machine's firewall.
    """
    argv = ["docker", "run", "-d", "--name", spec.name, "--restart", "unless-stopped"]
    argv += ["--network", "host", "--stop-timeout", "25"]
    argv += ["--memory", f"{spec.memory_mb}m", "--memory-swap", f"{spec.memory_mb}m"]
    argv += ["--pids-limit", str(spec.pids)]
    argv += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    argv += ["--log-opt", "max-size=10m", "--log-opt", "max-file=3"]
    if spec.user is not None:
        argv += ["--user", spec.user]
    if spec.is_read_only:
        argv += ["--read-only"]
    for path in spec.tmpfs:
        argv += ["--tmpfs", path]
    for mount in spec.mounts:
        argv += ["-v", mount]
    for name, value in spec.settings:
        argv += ["-e", f"{name}={value}"]
    for name, value in labels(spec, platform).items():
        argv += ["--label", f"{name}={value}"]
    return [*argv, spec.image_id, *spec.command]


def labels(spec: ContainerSpec, platform: str) -> dict[str, str]:
    """Return the labels by which a container of ours is found and compared."""
    return {
        "io.rota.platform": platform,
        "io.rota.service": spec.service,
        "io.rota.spec-hash": spec.spec_hash(),
        "io.rota.spec": spec_text(spec),
    }


def once_args(spec: ContainerSpec) -> list[str]:
    """Return the `docker run` argv of a task that ends (migrations, topics)."""
    argv = ["docker", "run", "--rm", "--network", "host", "--cap-drop", "ALL"]
    argv += ["--security-opt", "no-new-privileges", "--memory", f"{spec.memory_mb}m", "--read-only"]
    for path in spec.tmpfs:
        argv += ["--tmpfs", path]
    for mount in spec.mounts:
        argv += ["-v", mount]
    for name, value in spec.settings:
        argv += ["-e", f"{name}={value}"]
    return [*argv, "--entrypoint", spec.command[0], spec.image_id, *spec.command[1:]]
