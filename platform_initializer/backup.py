"""`rota platform backup` and `restore`: all that a platform is, but its machines, in one file.

That is MySQL's data at one moment, the secrets, the platform's file and its revisions. Kafka's
topics are not in it: they only wake, and what they said stands in MySQL. The compressed data is
held in memory on its way.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from common.errors import ConfigError
from common.ssh import SshDoor
from platform_initializer.beginning import platform_text
from platform_initializer.domain.description import Description
from platform_initializer.errors import Failure, MachineError, PartlyDoneError
from platform_initializer.gather import reach
from platform_initializer.machines.fleet import Fleet
from platform_initializer.sealing import is_sealed, read_passphrase, seal, unseal
from platform_initializer.secret_store import SecretStore, write_private
from platform_initializer.steps.data import Dump, dump_from, refuse_external

FORM = "rota-backup-1"
_MANIFEST, _SECRETS, _FILE = "manifest.json", "secrets.json", "platform.yml"
_REVISIONS, _DATA = "revisions.json", "mysql.sql.gz"


@dataclass(frozen=True)
class Archive:
    """One backup, opened. `parts` are the files in it by name."""

    platform: str
    made_at: str
    parts: Mapping[str, bytes]

    @property
    def archive_id(self) -> str:
        """16 digits that stand for the whole content."""
        whole = b"".join(self.parts[name] for name in sorted(self.parts))
        return hashlib.sha256(whole).hexdigest()[:16]

    def dump(self) -> Dump:
        """Return MySQL's data."""
        return Dump(self.archive_id, self.made_at, self.parts[_DATA])

    def file(self) -> bytes:
        """Return the platform's file as it was."""
        return self.parts[_FILE]


def back_up(description: Description, door: SshDoor, file: Path | None, now: datetime) -> bytes:
    """Return an archive's content, sealed where the secret store is; raise `MachineError`."""
    refuse_external(description)
    store = SecretStore(description.store)
    if store.is_new:
        raise ConfigError(f"there is no secret store {description.store}: nothing was started yet")
    data = _dump(description, door, store)
    revisions = description.store.with_name(_REVISIONS)
    parts = {
        _SECRETS: json.dumps(dict(store.values())).encode(),
        _FILE: file.read_bytes() if file else platform_text(description.platform, ()).encode(),
        _REVISIONS: revisions.read_bytes() if revisions.exists() else b"[]",
        _DATA: data,
    }
    manifest = {"form": FORM, "platform": description.platform,
                "made_at": now.isoformat(timespec="seconds"),
                "sha256": {name: hashlib.sha256(part).hexdigest()
                           for name, part in parts.items()}}  # fmt: skip
    content = _tar({_MANIFEST: json.dumps(manifest).encode(), **parts})
    key = store.passphrase()
    return seal(base64.b64encode(content).decode(), key) if key else content


def open_archive(content: bytes) -> Archive:
    """Read an archive and check that it is whole; raise `ConfigError`."""
    try:
        if is_sealed(content):
            content = base64.b64decode(unseal(content, read_passphrase()))
        parts = _untar(content)
        manifest = json.loads(parts.pop(_MANIFEST))
        wanted = manifest["sha256"]
        is_whole = manifest["form"] == FORM and wanted == {
            name: hashlib.sha256(part).hexdigest() for name, part in parts.items()
        }
        archive = Archive(manifest["platform"], manifest["made_at"], parts)
    except (tarfile.TarError, binascii.Error, ValueError, KeyError, TypeError) as error:
        raise ConfigError("this is not a backup that `rota platform backup` made") from error
    if not is_whole:
        raise ConfigError("the backup is damaged: its parts are not what was written")
    return archive


def lay_down(archive: Archive, description: Description) -> None:
    """Put secrets and revisions where the file wants them; raise `ConfigError` before any harm.

    Secrets that are there already are kept if they are the same platform's: a restore that was cut
    short goes on.
    """
    if archive.platform != description.platform:
        raise ConfigError(f"the backup is of platform {archive.platform}, the file names"
                          f" {description.platform}")  # fmt: skip
    values = json.loads(archive.parts[_SECRETS])
    store = SecretStore(description.store)
    if not store.is_new:
        if store.values().get("kafka_cluster_id") != values.get("kafka_cluster_id"):
            raise ConfigError(f"{description.store} holds another platform's secrets: move it away"
                              " or let the file name another store")  # fmt: skip
        return
    store.adopt(values)
    write_private(description.store.with_name(_REVISIONS), archive.parts[_REVISIONS].decode())


def _dump(description: Description, door: SshDoor, store: SecretStore) -> bytes:
    """Find the machine that MySQL runs on and dump it, while no other run changes anything."""
    gathered = reach(Fleet(description, store).existing(), description, door)
    try:
        homes = [name for name, facts in gathered.facts.items() if "mysql" in facts.containers]
        if homes:
            return dump_from(gathered.hosts[homes[0]])
    finally:
        gathered.close()
    if gathered.failures:
        raise PartlyDoneError(gathered.failures, 0)
    raise MachineError(Failure(
        ", ".join(gathered.hosts) or description.platform, "looking for MySQL",
        "it runs on none of the machines", next_step="rota platform up, then the same again",
    ))  # fmt: skip


def _tar(parts: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in parts.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o600
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _untar(content: bytes) -> dict[str, bytes]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for entry in tar:
            file = tar.extractfile(entry)  # into memory only: no path of the archive is used
            if file is not None:
                found[entry.name] = file.read()
    return found
