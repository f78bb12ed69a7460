"""Where the platform's secrets are kept on the operator's machine: one JSON file, mode 0600.

All of them are generated here, none has a default. The file is the truth: machines get copies.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import uuid
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.errors import ConfigError
from common.secret import Secret

KAFKA_USERS = (
    "rota_admin", "rota_scheduler", "rota_deployer", "rota_balancer", "rota_nodes", "rota_app",
    "rota_client",
)  # fmt: skip
MYSQL_USERS = ("root", "rota_scheduler", "rota_deployer", "rota_nodes", "rota_app")
_WORDS = (
    *(f"kafka_{user}" for user in KAFKA_USERS),
    *(f"mysql_{user}" for user in MYSQL_USERS),
    "admin_password", "api_token", "client_token",
)  # fmt: skip
_SHOWN = "admin_password_shown"


class SecretStore:
    """The secrets by name. Made whole at the first use, extended when a version knows more."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.is_new = not path.exists()
        self._values = _read(path)

    @property
    def is_password_shown(self) -> bool:
        """Tell whether a person was shown the admin's password already."""
        return _SHOWN in self._values

    def mark_password_shown(self) -> None:
        """Remember that it was shown: it is shown once."""
        self._values[_SHOWN] = "yes"
        self._save()

    def complete(self, *, keep: bool = True) -> None:
        """Generate what is missing and keep it before anything else learns of it.

        With `keep` False nothing is written: for a look at what would be done.
        """
        missing = [name for name in (*_WORDS, "kafka_cluster_id", "sampler_key", "tool_key")
                   if name not in self._values]  # fmt: skip
        if not missing:
            return
        for name in missing:
            self._values[name] = _generate(name)
        if keep:
            self._save()

    def text(self, name: str) -> str:
        """Reveal one, for the file or the call that needs it."""
        return self._values[name]

    def secret(self, name: str) -> Secret:
        return Secret(self._values[name])

    def values(self) -> Mapping[str, str]:
        """Reveal all (for redaction and tests of it)."""
        return dict(self._values)

    def _save(self) -> None:
        write_private(self._path, json.dumps(self._values, indent=2) + "\n")


def kafka_users_file(store: SecretStore) -> str:
    """Return the lines ``user:password`` that the broker makes its users from, admin first."""
    return "".join(f"{user}:{store.text(f'kafka_{user}')}\n" for user in KAFKA_USERS)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read: temporary, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def public_key(private: str) -> str:
    """Return the one-line public half of an OpenSSH private key."""
    key = serialization.load_ssh_private_key(private.encode(), password=None)
    form = serialization.PublicFormat.OpenSSH
    return key.public_key().public_bytes(serialization.Encoding.OpenSSH, form).decode()


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    if path.stat().st_mode & 0o077:
        raise ConfigError(f"{path} may be read by others: chmod 600 {path}")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is not the JSON this tool wrote: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} is not a mapping of secrets")
    return {str(name): str(value) for name, value in values.items()}


def _generate(name: str) -> str:
    if name == "kafka_cluster_id":
        # Kafka takes an id that begins with - for an option
        return "R" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
    if not name.endswith("_key"):
        return secrets.token_urlsafe(24)
    form = serialization.PrivateFormat.OpenSSH
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, form, serialization.NoEncryption()
    ).decode()  # fmt: skip
