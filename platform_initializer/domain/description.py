"""What a platform is to be, as `platform.yml` says it. Pure values; reading is `document`'s."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from common.secret import Secret
from platform_initializer.domain.external import External

SERVICES = (
    "kafka", "mysql", "scheduler", "deployment_manager", "load_balancer", "node_manager",
    "application_manager",
)  # fmt: skip
HTTP_PORT = 8443


@dataclass(frozen=True)
class SshLogin:
    """How the tool logs in to a machine: user, port and the key files it may offer."""

    user: str = "root"
    port: int = 22
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class MachineEntry:
    """One machine that is there already. A `local` one is this machine, reached without SSH."""

    name: str
    address: str
    login: SshLogin
    host_key: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    is_local: bool = False


@dataclass(frozen=True)
class Pool:
    """Machines that a driver makes: `<name>1` to `<name><count>`. `memory` in bytes."""

    name: str
    count: int
    cpus: int = 2
    memory: int = 4 << 30
    labels: Mapping[str, str] = field(default_factory=dict)

    def machine_names(self) -> list[str]:
        """Name its machines."""
        return [f"{self.name}{number}" for number in range(1, self.count + 1)]


@dataclass(frozen=True)
class ServiceWish:
    """What the file asks of one service: machines it is pinned to, how many of it."""

    on: tuple[str, ...] = ()
    replicas: int = 1


@dataclass(frozen=True)
class MailServer:
    """Who takes notices by mail: whom they are from, and how to log in there, if at all."""

    host: str
    sender: str
    tls: str = "starttls"
    port: int | None = None
    user: str | None = None
    password: Secret | None = None


@dataclass(frozen=True)
class Description:
    """The whole file. Paths are absolute; relative ones in the file are relative to it."""

    platform: str
    folder: Path
    store: Path
    machines: tuple[MachineEntry, ...] = ()
    login: SshLogin = field(default_factory=SshLogin)
    """How the tool logs in where nothing else is said."""
    driver: str = "static"
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What the driver is told, as `provision:` has it; one text is a tuple of one."""
    pools: tuple[Pool, ...] = ()
    services: Mapping[str, ServiceWish] = field(default_factory=dict)
    publish: int = HTTP_PORT
    brokers: int | None = None
    """How many Kafka brokers; None: the machines' facts decide (`domain.brokers`)."""
    apps: tuple[str, ...] = ()
    policy: str | None = None
    """The text of the policy of app containers; None: the hardened default for all."""
    mail: MailServer | None = None
    external: Mapping[str, External] = field(default_factory=dict)
    """`kafka` and `mysql` where they are servers of the operator's."""
    parallel: int = 30
    connect_timeout_s: float = 10.0

    def wish(self, service: str) -> ServiceWish:
        """Return what the file asks of a service."""
        return self.services.get(service, ServiceWish())

    def machine_names(self) -> list[str]:
        """Name all machines, those of the pools too, in the order of the file."""
        made = [name for pool in self.pools for name in pool.machine_names()]
        return [machine.name for machine in self.machines] + made


def local_description(folder: Path) -> Description:
    """Return the platform meant when there is no file: this one machine."""
    here = MachineEntry("here", "127.0.0.1", SshLogin(), is_local=True)
    return Description("rota", folder, folder / "secrets.json", machines=(here,))
