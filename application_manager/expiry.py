"""When the platform's certificates end, as the servers themselves show them; for /metrics."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import Gauge

from application_manager.server import HttpConfig
from common.config import KafkaConfig
from common.logs import logger

EVERY_S = 3600.0
AGAIN_S = 60.0
TIMEOUT_S = 5.0

_log = logger("application_manager.expiry")
expires = Gauge(
    "rota_certificate_expires_timestamp_seconds", "When the certificate that a server shows ends",
    ["server"],
)  # fmt: skip


@dataclass(frozen=True)
class Server:
    """A server that speaks TLS, and the file with who vouches for it."""

    host: str
    port: int
    ca_file: str


@dataclass(frozen=True)
class Expiry:
    """Looks at each server's certificate once an hour. Owned by its loop's thread."""

    servers: Mapping[str, Server]

    def run_once(self) -> float | None:
        """Look; a server that does not answer keeps its figure, and is asked again in a minute."""
        wait_s: float | None = None
        for name, server in self.servers.items():
            try:
                ends_at = expiry_of(server)
            except OSError as error:
                _log.warning("certificate_not_seen", server=name, error=str(error))
                wait_s = AGAIN_S
            else:
                expires.labels(name).set(ends_at)
        return wait_s


def expiry_of(server: Server) -> float:
    """Return when its certificate ends, in seconds since 1970; raises `OSError`.

    Only a certificate that is trusted is read; the name in it is not our question.
    """
    context = ssl.create_default_context(cafile=server.ca_file)
    context.check_hostname = False
    with (
        socket.create_connection((server.host, server.port), TIMEOUT_S) as plain,
        context.wrap_socket(plain) as secured,
    ):
        shown = secured.getpeercert() or {}
    return float(ssl.cert_time_to_seconds(str(shown["notAfter"])))


def servers_of(kafka: KafkaConfig, http: HttpConfig) -> dict[str, Server]:
    """Name the servers to look at: each broker, and our own page, where they speak TLS."""
    if kafka.ca_file is None:
        return {}
    found = {}
    for address in kafka.bootstrap:
        host, _, port = address.strip().rpartition(":")
        found[f"kafka {address.strip()}"] = Server(host, int(port), kafka.ca_file)
    if http.cert_file is not None:
        found["page"] = Server(http.host, http.port, kafka.ca_file)
    return found
