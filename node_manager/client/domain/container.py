"""What an attempt's container looks like: name, labels, environment, hardening and limits.

Pure: how Docker is told is the engine's. Whatever is relaxed is relaxed by the operator's policy
file, never by a schedule.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from common.errors import ConfigError
from common.image import is_named_by, name_of_image, split_image
from common.jobs import container_name_of
from common.messages import RunSpec, StartContainer
from common.secret import APP_SECRETS

NETWORK = "rota-apps"
LABEL = "io.rota."
KEEP_UNTIL, SPEC_HASH = f"{LABEL}keep-until", f"{LABEL}spec-hash"
BOOT = f"{LABEL}boot"
LOG_FILE_BYTES = 5 * 1024 * 1024
LOG_FILES = 2
SECRETS_INSIDE = "/run/secrets"
_SORTED = msgspec.json.Encoder(order="sorted")


class Relaxation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How containers run; the defaults are the hardened ones.

    `user` "" means the image's own user; `volumes` maps a path of the machine to one inside.
    `secrets` are shell-like patterns of the apps' secrets that may be read. `pin`: run just the
    content that was registered, where it is known (digest); only where it is known (always); or
    whatever has the name (tag).
    """

    user: str = "65534:65534"
    cap_add: tuple[str, ...] = ()
    read_only: bool = True
    tmpfs_mib: int = 64
    pids: int = 256
    network: str = NETWORK
    volumes: dict[str, str] = {}
    max_cpus: float = 1.0
    max_memory_mib: int = 512
    secrets: tuple[str, ...] = ("*",)
    pin: Literal["digest", "always", "tag"] = "digest"


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The operator's policy file: a default, and exceptions by image pattern (first match).

    Patterns are shell-like (``rota/demo-app:*``). Images that match none of `allowed` do not run.
    The files of apps' secrets are in `secrets_folder`, each under its secret's name.
    """

    allowed: tuple[str, ...] = ("*",)
    default: Relaxation = Relaxation()
    images: dict[str, Relaxation] = {}
    secrets_folder: str = APP_SECRETS

    def for_image(self, image: str) -> Relaxation:
        """Return what holds for an image."""
        for pattern, relaxation in self.images.items():
            if is_named_by(image, pattern):
                return relaxation
        return self.default

    def wanted(self, image: str) -> str:
        """Return the image as it is to run here: with its digest, or by its name alone."""
        return name_of_image(image) if self.for_image(image).pin == "tag" else image

    def refusal(self, spec: RunSpec) -> str | None:
        """Say why this may not run on this machine; None: it may."""
        name, digest = split_image(spec.image)
        if not any(is_named_by(spec.image, pattern) for pattern in self.allowed):
            return f"the machine's policy does not allow the image {spec.image}"
        relaxation = self.for_image(spec.image)
        if relaxation.pin == "always" and digest is None:
            return (f"the machine's policy runs {name} by its digest alone, and it has none:"
                    " register the application (or apply the file) again")  # fmt: skip
        readable = relaxation.secrets
        withheld = [name for name in spec.secrets if not _matches(name, readable)]
        if withheld:
            names = ", ".join(withheld)
            return f"the machine's policy keeps these secrets from {spec.image}: {names}"
        return None


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def read_policy(text: str) -> Policy:
    """Read a policy file (JSON); an unknown key or a wrong type is a `ConfigError`."""
    try:
        return msgspec.json.decode(text, type=Policy)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"the policy file is wrong: {error}") from error


@dataclass(frozen=True)
class Owner:
    """Whose containers these are: other platforms' and other clients' are foreign.

    `boot_id` is that of the machine now; "" where nobody asks.
    """

    platform: str
    node_id: str
    boot_id: str = ""


@dataclass(frozen=True, kw_only=True)
class ContainerPlan:
    """Everything the engine needs to create one container."""

    name: str
    image: str
    command: tuple[str, ...]
    environment: dict[str, str]
    labels: dict[str, str]
    relaxation: Relaxation
    memory_bytes: int
    cpus: float
    secret_files: dict[str, str] = field(default_factory=dict)
    """Files of the machine, and where the container finds them, to be read alone."""


def plan_container(
    command: StartContainer, owner: Owner, policy: Policy, keep_until: datetime | None = None
) -> ContainerPlan:
    """Write the plan of an attempt's container; `keep_until`: it is made for a start to come.

    A job without `resources` gets the policy's limits, so that one cannot starve its neighbours.
    """
    relaxation = policy.for_image(command.spec.image)
    return ContainerPlan(
        name=container_name_of(command.job_id, command.attempt),
        image=policy.wanted(command.spec.image),
        command=command.spec.command,
        environment=_environment(command),
        labels=_labels(command, owner) | _labels_ahead(command, keep_until),
        relaxation=relaxation,
        memory_bytes=command.spec.memory_bytes or relaxation.max_memory_mib * 1024 * 1024,
        cpus=command.spec.cpus or relaxation.max_cpus,
        secret_files={
            f"{policy.secrets_folder}/{name}": f"{SECRETS_INSIDE}/{name}"
            for name in command.spec.secrets
        },
    )


def _environment(command: StartContainer) -> dict[str, str]:
    spec = command.spec
    environment = dict(spec.env)
    environment |= {
        "ROTA_JOB_ID": command.job_id,
        "ROTA_INSTANCE": command.instance_id,
        "ROTA_DUE": text_of(command.due),
        "ROTA_STOP_AT": text_of(command.stop_at) if command.stop_at else "",
        "ROTA_ATTEMPT": str(command.attempt),
        "ROTA_ORDINAL": str(command.ordinal),
        "ROTA_PLACE": spec.place or "",
    }
    for name, sensor in spec.sensors.items():
        environment[f"ROTA_SENSOR_{name.upper().replace('-', '_')}"] = sensor
    return environment


def _labels(command: StartContainer, owner: Owner) -> dict[str, str]:
    """Label it so that its deadline can be kept by whoever finds it, without any journal."""
    spec = command.spec
    labels = {
        "platform": owner.platform,
        "node": owner.node_id,
        "instance": command.instance_id,
        "job": command.job_id,
        "attempt": str(command.attempt),
        "epoch": str(command.epoch),
        "grace": str(spec.grace_s),
        "restart": spec.restart,
    }
    if command.stop_at is not None:
        labels["deadline"] = text_of(command.stop_at)
    if spec.timeout_s is not None:
        labels["timeout"] = str(spec.timeout_s)
    if owner.boot_id:
        labels["boot"] = owner.boot_id
    return {LABEL + name: value for name, value in labels.items()}


def is_of_former_boot(labels: Mapping[str, str], owner: Owner) -> bool:
    """Tell whether the machine was started anew since this container was created."""
    return bool(owner.boot_id) and labels.get(BOOT, owner.boot_id) != owner.boot_id


def hash_of(command: StartContainer) -> str:
    """Return what tells two starts of one attempt apart: all that the container is made from."""
    parts = (
        command.job_id, command.attempt, command.instance_id, command.due, command.ordinal,
        command.stop_at, command.spec,
    )  # fmt: skip
    return hashlib.sha256(_SORTED.encode(parts)).hexdigest()[:16]


def _labels_ahead(command: StartContainer, keep_until: datetime | None) -> dict[str, str]:
    if keep_until is None:
        return {}
    return {KEEP_UNTIL: text_of(keep_until), SPEC_HASH: hash_of(command)}


def text_of(moment: datetime) -> str:
    """Write an instant as RFC 3339 in UTC, ending with Z."""
    text: str = msgspec.to_builtins(moment)
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text
