"""Where the platform's secrets are kept on the operator's machine: one file, mode 0600.

JSON, or encrypted with a passphrase where its name ends in `.enc` (see `sealing`).

All of them are generated here, none has a default. The file is the truth: machines get copies.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.errors import ConfigError
from common.schedule.values import SECRET_NAME
from common.secret import Secret
from platform_initializer.certificates import Pair, is_good, issue, make_authority
from platform_initializer.sealing import read_passphrase, seal, unseal

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
_SEATS = "kafka_seats"
_OF_APPS = "app/"  # before a secret's own name


class SecretStore:
    """The secrets by name. Made whole at the first use, extended when a version knows more."""

    def __init__(
        self, path: Path, ask_passphrase: Callable[[], Secret] = read_passphrase
    ) -> None:
        self._path = path
        self._passphrase: Secret | None = None
        self._ask = ask_passphrase
        self.is_new = not path.exists()
        self._values = self._read()
        self._is_kept = True
        self._lock = threading.Lock()

    @property
    def is_password_shown(self) -> bool:
        """Tell whether a person was shown the admin's password already."""
        return _SHOWN in self._values

    @property
    def ca_file(self) -> Path:
        """Where the authority's certificate stands beside the store."""
        return self._path.with_name("ca.pem")

    def mark_password_shown(self) -> None:
        """Remember that it was shown: it is shown once."""
        self._values[_SHOWN] = "yes"
        self._save()

    def complete(self, *, keep: bool = True) -> None:
        """Generate what is missing and keep it before anything else learns of it.

        With `keep` False nothing is written: for a look at what would be done.
        """
        self._is_kept = keep
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
        if name == "kafka_users":
            return "".join(f"{user}:{self.text(f'kafka_{user}')}\n" for user in KAFKA_USERS)
        if name == "ca_cert":  # all that are trusted, the one that signs first
            trusted = (name, "ca_next_cert", "ca_old_cert")
            return "".join(self._values.get(key, "") for key in trusted)
        if name == "tls_kafka":
            return self.text("tls_kafka_key") + self.text("tls_kafka_cert")
        return self._values[name]

    def adopt(self, values: Mapping[str, str]) -> None:
        """Take over the secrets of a backup; certificates follow the addresses by `certify`.

        Not who sat where in Kafka's quorum: nothing of Kafka is in a backup.
        """
        self._values = {str(name): str(value) for name, value in values.items()
                        if name != _SEATS}  # fmt: skip
        self._save()

    def passphrase(self) -> Secret | None:
        """Return what the store is encrypted with, None where it is not."""
        return self._key() if self._is_sealed else None

    def certificates(self) -> Mapping[str, str]:
        """Return the certificates (no keys) by name: the authority's and the servers'."""
        return {name: text for name, text in self._values.items()
                if name.endswith("_cert") and not name.startswith(_OF_APPS)}  # fmt: skip

    def drop_certificates(self, names: Iterable[str]) -> None:
        """Forget servers' certificates with their keys; `certify` makes new ones."""
        for name in names:
            self._values.pop(name, None)
            self._values.pop(name.removesuffix("_cert") + "_key", None)
        self._save()

    def change(self, values: Mapping[str, str], dropped: Iterable[str]) -> None:
        """Put values in and take names out, both or neither; what is not there is no error."""
        left = {name: text for name, text in self._values.items() if name not in set(dropped)}
        self._values = left | dict(values)
        self._save()

    def external_password(self, store: str) -> str:
        """Reveal the password for a server of the operator's; raise `ConfigError` without one."""
        name = f"external_{store}"
        if name not in self._values:
            raise ConfigError(f"no password is kept for the external {store}: run"
                              f" `rota platform secrets external {store} < FILE`")  # fmt: skip
        return self._values[name]

    def app_secrets(self) -> dict[str, str]:
        """Reveal the secrets of apps, by name, for the files on the machines."""
        return {name.removeprefix(_OF_APPS): value for name, value in self._values.items()
                if name.startswith(_OF_APPS)}  # fmt: skip

    def set_app_secret(self, name: str, value: Secret | None) -> None:
        """Keep a secret of apps, or forget it (None); the machines hear of it with `up`."""
        if re.fullmatch(SECRET_NAME, name) is None:
            raise ConfigError(f"{name!r} is no name of a secret: small letters, digits and . _ -")
        self._values.pop(_OF_APPS + name, None)
        if value is not None:
            self._values[_OF_APPS + name] = value.reveal()
        self._save()

    def rotate(self) -> list[str]:
        """Make new passwords and keys of all services; return their names.

        Kafka's administrator stays (his password is what the change itself is made with), and so do
        the page's first login and token, which people change there.
        """
        names = [name for name in _WORDS if name.startswith(("kafka_", "mysql_"))]
        names = [n for n in names if n != "kafka_rota_admin"] + ["client_token", "sampler_key"]
        self._values |= {name: _generate(name) for name in names}
        self._save()
        return names

    def machine_key(self, machine: str) -> str:
        """Return the host key for a machine to be made, kept before the machine can have it."""
        name = f"host_{machine}_key"
        if name not in self._values:
            with self._lock:
                self._values.setdefault(name, _generate(name))
                if self._is_kept:
                    self._save()
        return self._values[name]

    def broker_seats(self) -> dict[str, int]:
        """Return the seats of Kafka's brokers so far, by machine; empty before the first `up`."""
        return dict(json.loads(self._values.get(_SEATS, "{}")))

    def seat_brokers(self, seats: Mapping[str, int]) -> None:
        """Remember which broker sits where, before it starts there."""
        if self.broker_seats() != dict(seats):
            self._values[_SEATS] = json.dumps(dict(seats))
            if self._is_kept:
                self._save()

    def certify(
        self, platform: str, addresses: Mapping[str, Sequence[str]], now: datetime
    ) -> None:
        """Have a good certificate of our own authority for each server's addresses."""
        if "ca_cert" not in self._values:
            made = make_authority(platform, now)
            self._values |= {"ca_cert": made.certificate, "ca_key": made.key}
        authority = Pair(self._values["ca_cert"], self._values["ca_key"])
        for service, reached_by in addresses.items():
            cert, key = f"tls_{service}_cert", f"tls_{service}_key"
            pair = Pair(self._values.get(cert, ""), self._values.get(key, ""))
            if pair.certificate and is_good(pair, authority, reached_by, now):
                continue
            made = issue(authority, service, reached_by, now)
            self._values |= {cert: made.certificate, key: made.key}
        if self._is_kept:
            self._save()

    def secret(self, name: str) -> Secret:
        return Secret(self._values[name])

    def values(self) -> Mapping[str, str]:
        """Reveal all (for redaction and tests of it)."""
        return dict(self._values)

    def _read(self) -> dict[str, str]:
        if self.is_new:
            return {}
        if self._path.stat().st_mode & 0o077:
            raise ConfigError(f"{self._path} may be read by others: chmod 600 {self._path}")
        content = self._path.read_bytes()
        text = unseal(content, self._key()) if self._is_sealed else content.decode("utf-8")
        return _values_of(text, self._path)

    @property
    def _is_sealed(self) -> bool:
        return self._path.suffix == ".enc"

    def _key(self) -> Secret:
        if self._passphrase is None:
            self._passphrase = self._ask()
        return self._passphrase

    def _save(self) -> None:
        text = json.dumps(self._values, indent=2) + "\n"
        write_private(self._path, seal(text, self._key()).decode() if self._is_sealed else text)
        if "ca_cert" in self._values:  # no secret: what a client checks the servers by
            self.ca_file.write_text(self.text("ca_cert"), encoding="utf-8")


def write_private(path: Path, text: str) -> None:
    """Write a text that only its owner may read."""
    write_private_bytes(path, text.encode("utf-8"))


def write_private_bytes(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read: temporary, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def public_key(private: str) -> str:
    """Return the one-line public half of an OpenSSH private key."""
    key = serialization.load_ssh_private_key(private.encode(), password=None)
    form = serialization.PublicFormat.OpenSSH
    return key.public_key().public_bytes(serialization.Encoding.OpenSSH, form).decode()


def _values_of(text: str, path: Path) -> dict[str, str]:
    try:
        values = json.loads(text)
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
