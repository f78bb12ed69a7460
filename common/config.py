"""How a service reads its settings: ``ROTA_<SECTION>_<KEY>``, or ``..._FILE`` naming a file.

A missing or empty required setting, and a well-known password, are `ConfigError`s: the process
says so in one line and exits with 78 (see `common.lifecycle`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from common.errors import ConfigError
from common.secret import Secret

_WELL_KNOWN = {"", "admin", "changeme", "default", "password", "root", "rota", "secret", "test"}


@dataclass(frozen=True)
class KafkaConfig:
    """How to reach Kafka; `user` None means a listener without authentication (tests)."""

    bootstrap: tuple[str, ...]
    user: str | None = None
    password: Secret | None = None
    ca_file: str | None = None


@dataclass(frozen=True)
class MySqlConfig:
    """How to reach MySQL as one user."""

    host: str
    port: int
    user: str
    password: Secret
    database: str | None = None
    ca_file: str | None = None


class Settings:
    """Typed reading of one environment."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, key: str, default: str | None = None) -> str:
        """Return ``ROTA_<key>``, the content of the file in ``ROTA_<key>_FILE``, or `default`."""
        value = self.optional(key)
        if value is not None:
            return value
        if default is None:
            raise ConfigError(f"ROTA_{key} (or ROTA_{key}_FILE) is not set")
        return default

    def optional(self, key: str) -> str | None:
        """Return the setting or None; an empty value counts as absent."""
        name = f"ROTA_{key}"
        direct = self._environment.get(name)
        if direct:
            return direct
        path = self._environment.get(f"{name}_FILE")
        if not path:
            return None
        try:
            return Path(path).read_text(encoding="utf-8").strip() or None
        except OSError as error:
            raise ConfigError(f"{name}_FILE names {path}: {error.strerror}") from error

    def path(self, key: str) -> str:
        """Return a setting that names a file to be read elsewhere; the content is not read here."""
        value = self._environment.get(f"ROTA_{key}")
        if not value:
            raise ConfigError(f"ROTA_{key} is not set: it names a file")
        return value

    def integer(self, key: str, default: int | None = None) -> int:
        value = self.text(key, None if default is None else str(default))
        try:
            return int(value)
        except ValueError as error:
            raise ConfigError(f"ROTA_{key} must be a whole number, not {value!r}") from error

    def number(self, key: str, default: float | None = None) -> float:
        value = self.text(key, None if default is None else str(default))
        try:
            return float(value)
        except ValueError as error:
            raise ConfigError(f"ROTA_{key} must be a number, not {value!r}") from error

    def secret(self, key: str) -> Secret:
        """Return a secret; refuse an absent or well-known one."""
        value = self.optional(key)
        if value is None:
            raise ConfigError(f"ROTA_{key}_FILE (or ROTA_{key}) is not set: a secret is needed")
        if value.lower() in _WELL_KNOWN:
            raise ConfigError(f"ROTA_{key} is a well-known password: generate one")
        return Secret(value)

    def kafka(self) -> KafkaConfig:
        """Read ``ROTA_KAFKA_{BOOTSTRAP,USER,PASSWORD,CA_FILE}``."""
        user = self.optional("KAFKA_USER")
        return KafkaConfig(
            bootstrap=tuple(self.text("KAFKA_BOOTSTRAP").split(",")),
            user=user,
            password=self.secret("KAFKA_PASSWORD") if user else None,
            ca_file=self._environment.get("ROTA_KAFKA_CA_FILE"),
        )

    def mysql(self, database: str | None = None, section: str = "MYSQL") -> MySqlConfig:
        """Read ``ROTA_<section>_{HOST,PORT,USER,PASSWORD}``; section `MYSQL_ADMIN` for migrations.

        Host and port fall back to the `MYSQL` section's.
        """
        host = self.optional(f"{section}_HOST") or self.text("MYSQL_HOST")
        port = self.optional(f"{section}_PORT") or self.text("MYSQL_PORT", "3306")
        return MySqlConfig(
            host=host,
            port=int(port),
            user=self.text(f"{section}_USER"),
            password=self.secret(f"{section}_PASSWORD"),
            database=database,
            ca_file=self._environment.get("ROTA_MYSQL_CA_FILE"),
        )
