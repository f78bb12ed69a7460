"""What each service's container is: settings, files, limits. Pure; no secret stands in settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from platform_initializer.domain.container import SECRETS, ContainerSpec
from platform_initializer.domain.description import MailServer

SERVICE_UID, KAFKA_UID, MYSQL_UID = 10001, 10002, 10003
KAFKA_PORT, MYSQL_PORT, LOG_PORT, QUORUM_PORT = 9092, 3306, 7110, 9093
HEALTH_PORTS = {
    "scheduler": 7101, "deployment_manager": 7102, "load_balancer": 7103, "node_manager": 7104,
    "application_manager": 7105, "client": 7106,
}  # fmt: skip
KAFKA_USERS = {
    "scheduler": "rota_scheduler", "deployment_manager": "rota_deployer",
    "load_balancer": "rota_balancer", "node_manager": "rota_nodes",
    "application_manager": "rota_app", "client": "rota_client",
}  # fmt: skip
MYSQL_USERS = {
    "scheduler": "rota_scheduler", "deployment_manager": "rota_deployer",
    "node_manager": "rota_nodes", "application_manager": "rota_app",
}  # fmt: skip
CA = "ca.pem"
POLICY = "policy.json"
MAIL_PASSWORD = "mail_password"  # noqa: S105 - a file's name
MAP = "/etc/rota/platform.json"
RUN_FOLDER = "/run/rota-client"  # empty after a boot: it is where the boot's id is kept
CLIENT_FOLDER = "/var/lib/rota/client"  # not there in the container: the image keeps it from root


@dataclass(frozen=True)
class Site:
    """What the services must know of the whole platform."""

    platform: str
    kafka: str
    """The brokers, as clients are told of them: `host:port`, separated by commas."""
    mysql: str
    publish: int
    kafka_cluster_id: str
    images: Mapping[str, str]
    """Image ids by name: kafka, mysql, services."""
    app_secrets: tuple[str, ...] | None = None
    """Names of apps' secrets; None: nobody knows them here."""
    has_policy: bool = False
    """Whether the operator's policy of app containers lies beside the client's secrets."""
    mail: MailServer | None = None
    voters: str = ""
    """Kafka's quorum, `seat@host:port` separated by commas; empty where one broker is alone."""
    mysql_port: int = MYSQL_PORT
    admins: Mapping[str, str] = field(default_factory=dict)
    """Who makes topics (`kafka`) and databases (`mysql`) on servers that are not ours."""

    def ca_file(self, store: str) -> str:
        """Name the file by which a store's certificate is checked."""
        return f"{SECRETS}/{ca_name(store) if store in self.admins else CA}"

    def mysql_place(self) -> dict[str, str]:
        """Return the settings that say where MySQL is."""
        return {"ROTA_MYSQL_HOST": self.mysql, "ROTA_MYSQL_PORT": str(self.mysql_port),
                "ROTA_MYSQL_CA_FILE": self.ca_file("mysql")}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """What they must know of the machine they run on."""

    name: str
    address: str
    labels: str = "{}"
    """Its labels as a JSON object."""
    seat: int = 1
    """Its broker's node id, where one of several runs there."""


def secrets_of(service: str) -> dict[str, str]:
    """Map the files a service finds in /run/secrets to the names its secrets are kept under."""
    files: dict[str, str] = {}
    if service in KAFKA_USERS:
        files["kafka_password"] = f"kafka_{KAFKA_USERS[service]}"
    if service in MYSQL_USERS:
        files["mysql_password"] = f"mysql_{MYSQL_USERS[service]}"
    match service:
        case "mysql":
            files |= {"root_password": "mysql_root", "tls_cert.pem": "tls_mysql_cert",
                      "tls_key.pem": "tls_mysql_key"}
        case "load_balancer":
            files["sampler_key"] = "sampler_key"
        case "client":
            files |= {"client_token": "client_token"}
        case "application_manager":
            files |= {name: name for name in ("admin_password", "api_token", "client_token")}
            files |= {f"tls_{part}.pem": f"tls_{service}_{part}" for part in ("cert", "key")}
        case "migrations":
            files = {"root_password": "mysql_root"}
            files |= {f"{user}_password": f"mysql_{user}" for user in MYSQL_USERS.values()}
        case "kafka":
            files |= {"users": "kafka_users", "tls.pem": "tls_kafka"}
        case "topics":
            files |= {"kafka_password": "kafka_rota_admin", "users": "kafka_users"}
    return files | {CA: "ca_cert"}


def ca_name(store: str) -> str:
    """Name the file with the authority of a server that is not ours."""
    return f"{store}_ca.pem"


def uid_of(service: str) -> int:
    """Return the user that a service's container runs as.

    The client is root without any capability: as the owner of Docker's socket it needs no group,
    whose number differs from machine to machine; who may use that socket is root in effect anyway.
    """
    return {"kafka": KAFKA_UID, "mysql": MYSQL_UID, "client": 0}.get(service, SERVICE_UID)


def container_of(service: str, site: Site, place: Place) -> ContainerSpec:
    """Describe a service's container on a machine (without the digests of its files)."""
    match service:
        case "kafka":
            return _kafka(site, place)
        case "mysql":
            return _mysql(site, place)
        case _:
            return _service(service, site, place)


def _kafka(site: Site, place: Place) -> ContainerSpec:
    quorum = (("ROTA_KAFKA_NODE_ID", str(place.seat)), ("ROTA_KAFKA_VOTERS", site.voters))
    return ContainerSpec(
        service="kafka", image="rota/kafka", image_id=site.images["kafka"],
        settings=(
            ("ROTA_KAFKA_BIND", place.address),
            ("ROTA_KAFKA_LISTEN", str(KAFKA_PORT)),
            ("ROTA_KAFKA_ADVERTISED", f"{place.address}:{KAFKA_PORT}"),
            ("ROTA_KAFKA_CLUSTER_ID", site.kafka_cluster_id),
            ("ROTA_KAFKA_USERS_FILE", f"{SECRETS}/users"),
            ("ROTA_KAFKA_TLS_FILE", f"{SECRETS}/tls.pem"),
            ("ROTA_KAFKA_CA_FILE", f"{SECRETS}/{CA}"),
            *(quorum if site.voters else ()),
        ),
        mounts=("rota-kafka:/var/lib/kafka", f"/etc/rota/secrets/kafka:{SECRETS}:ro"),
        memory_mb=900, pids=1024, is_read_only=False,
    )  # fmt: skip


def _mysql(site: Site, place: Place) -> ContainerSpec:
    return ContainerSpec(
        service="mysql", image="rota/mysql", image_id=site.images["mysql"],
        settings=(
            ("ROTA_MYSQL_BIND", place.address),
            ("ROTA_MYSQL_PORT", str(MYSQL_PORT)),
            ("ROTA_MYSQL_ROOT_HOST", "%"),
            ("ROTA_MYSQL_ROOT_PASSWORD_FILE", f"{SECRETS}/root_password"),
            ("ROTA_MYSQL_TLS_CERT_FILE", f"{SECRETS}/tls_cert.pem"),
            ("ROTA_MYSQL_TLS_KEY_FILE", f"{SECRETS}/tls_key.pem"),
            ("ROTA_MYSQL_CA_FILE", f"{SECRETS}/{CA}"),
        ),
        mounts=("rota-mysql:/var/lib/mysql", f"/etc/rota/secrets/mysql:{SECRETS}:ro"),
        memory_mb=900, pids=1024, is_read_only=False,
    )  # fmt: skip


def _service(service: str, site: Site, place: Place) -> ContainerSpec:
    settings = _common_settings(service, site, place)
    mounts = [f"/etc/rota/secrets/{service}:{SECRETS}:ro"]
    command = service
    match service:
        case "load_balancer":
            settings["ROTA_LOAD_BALANCER_KEY_FILE"] = f"{SECRETS}/sampler_key"
            settings["ROTA_LOAD_BALANCER_MACHINES_FILE"] = MAP
            mounts.append("/etc/rota:/etc/rota:ro")
        case "node_manager":
            settings["ROTA_NODE_MANAGER_MACHINES_FILE"] = MAP
            mounts.append("/etc/rota:/etc/rota:ro")
        case "application_manager":
            settings |= {
                "ROTA_HTTP_BIND": place.address,
                "ROTA_HTTP_PORT": str(site.publish),
                "ROTA_HTTP_CERT_FILE": f"{SECRETS}/tls_cert.pem",
                "ROTA_HTTP_KEY_FILE": f"{SECRETS}/tls_key.pem",
                "ROTA_ADMIN_PASSWORD_FILE": f"{SECRETS}/admin_password",
                "ROTA_API_TOKEN_FILE": f"{SECRETS}/api_token",
                "ROTA_CLIENT_TOKEN_FILE": f"{SECRETS}/client_token",
            }
            if site.app_secrets is not None:
                settings["ROTA_APP_SECRETS"] = " ".join(site.app_secrets)
            settings |= _mail_settings(site.mail) if site.mail else {}
        case "client":
            command = "node_manager.client"
            settings |= _client_settings(site, place)
            mounts += ["/var/run/docker.sock:/var/run/docker.sock",
                       f"{CLIENT_FOLDER}:/var/lib/rota-client",
                       f"{RUN_FOLDER}:{RUN_FOLDER}"]  # fmt: skip
    uid = uid_of(service)
    return ContainerSpec(
        service=service, image="rota/services", image_id=site.images["services"],
        command=(command,), user=f"{uid}:{uid}", settings=tuple(sorted(settings.items())),
        mounts=tuple(mounts), tmpfs=("/tmp:size=16m,mode=1777",),  # noqa: S108 - the container's
    )  # fmt: skip


def _common_settings(service: str, site: Site, place: Place) -> dict[str, str]:
    settings = {
        "ROTA_KAFKA_BOOTSTRAP": site.kafka,
        "ROTA_KAFKA_USER": KAFKA_USERS[service],
        "ROTA_KAFKA_PASSWORD_FILE": f"{SECRETS}/kafka_password",
        "ROTA_KAFKA_CA_FILE": site.ca_file("kafka"),
        "ROTA_REPLICA": place.name,
        "ROTA_BUILD": site.images["services"].removeprefix("sha256:")[:12],
        "ROTA_HEALTH_HOST": "127.0.0.1",
        "ROTA_HEALTH_PORT": str(HEALTH_PORTS[service]),
    }
    if service in MYSQL_USERS:
        settings |= site.mysql_place() | {
            "ROTA_MYSQL_USER": MYSQL_USERS[service],
            "ROTA_MYSQL_PASSWORD_FILE": f"{SECRETS}/mysql_password",
        }
    return settings


def _client_settings(site: Site, place: Place) -> dict[str, str]:
    policy = {"ROTA_CLIENT_POLICY_FILE": f"{SECRETS}/{POLICY}"} if site.has_policy else {}
    return policy | {
        "ROTA_PLATFORM": site.platform,
        "ROTA_CLIENT_NODE_ID": place.name,
        "ROTA_CLIENT_ADDRESS": place.address,
        "ROTA_CLIENT_BIND": place.address,
        "ROTA_CLIENT_PORT": str(LOG_PORT),
        "ROTA_CLIENT_LABELS": place.labels,
        "ROTA_CLIENT_JOURNAL": "/var/lib/rota-client/journal",
        "ROTA_CLIENT_RUN_FOLDER": RUN_FOLDER,
        "ROTA_CLIENT_TOKEN_FILE": f"{SECRETS}/client_token",
    }


def _mail_settings(mail: MailServer) -> dict[str, str]:
    settings = {"ROTA_MAIL_HOST": mail.host, "ROTA_MAIL_FROM": mail.sender,
                "ROTA_MAIL_TLS": mail.tls}  # fmt: skip
    if mail.port:
        settings["ROTA_MAIL_PORT"] = str(mail.port)
    if mail.user:
        settings |= {"ROTA_MAIL_USER": mail.user,
                     "ROTA_MAIL_PASSWORD_FILE": f"{SECRETS}/{MAIL_PASSWORD}"}  # fmt: skip
    return settings
