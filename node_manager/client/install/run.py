"""What the platform client needs on its machine, as data: its `docker run` and its folders.

Pure; whoever installs the client carries it out. The watchdog's files are `watchdog`'s, the rules
that keep app containers away from the platform are `firewall`'s. README.md shows it all in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

UID = 10001
"""The user `rota` of the image; folders and secret files on the machine are this user's."""
CONTAINER = "rota-client"
STATE_FOLDER = "/var/lib/rota/client"
SECRETS_FOLDER = "/etc/rota/client"
RUN_FOLDER = "/run/rota-client"
DOCKER_SOCKET = "/var/run/docker.sock"


@dataclass(frozen=True, kw_only=True)
class ClientRun:
    """One machine's client.

    `address` is where other machines reach this one, and the only address its log port listens on.
    `docker_gid` is the group of the machine's Docker socket (`stat -c %g /var/run/docker.sock`).
    `settings` are further ROTA_* variables (Kafka, labels, build); secrets are files below
    `SECRETS_FOLDER`, named by ROTA_*_FILE.
    """

    image: str
    platform: str
    node_id: str
    address: str
    docker_gid: int
    log_port: int = 7110
    health_port: int = 7111
    labels: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    container: str = CONTAINER
    state_folder: str = STATE_FOLDER
    secrets_folder: str = SECRETS_FOLDER
    run_folder: str = RUN_FOLDER


@dataclass(frozen=True)
class Folder:
    """A folder that must be there before the client starts."""

    path: str
    mode: int
    uid: int = UID
    gid: int = UID


def folders(run: ClientRun) -> list[Folder]:
    """List the client's folders; the run folder is made anew at each boot (`watchdog.files`)."""
    return [
        Folder(run.state_folder, 0o700),
        Folder(run.secrets_folder, 0o500),
        Folder(run.run_folder, 0o755),
    ]


def environment(run: ClientRun) -> dict[str, str]:
    """Return the client's settings; those of `run.settings` win."""
    return {
        "ROTA_PLATFORM": run.platform,
        "ROTA_REPLICA": run.node_id,
        "ROTA_CLIENT_NODE_ID": run.node_id,
        "ROTA_CLIENT_ADDRESS": run.address,
        "ROTA_CLIENT_BIND": run.address,
        "ROTA_CLIENT_PORT": str(run.log_port),
        "ROTA_CLIENT_JOURNAL": f"{STATE_FOLDER}/journal",
        "ROTA_CLIENT_RUN_FOLDER": RUN_FOLDER,
        "ROTA_CLIENT_TOKEN_FILE": f"{SECRETS_FOLDER}/token",
        "ROTA_KAFKA_USER": "rota_client",
        "ROTA_KAFKA_PASSWORD_FILE": f"{SECRETS_FOLDER}/kafka_password",
        "ROTA_HEALTH_PORT": str(run.health_port),
        **run.settings,
    }


def run_args(run: ClientRun) -> list[str]:
    """Return the whole `docker run` argv.

    Host network: it listens on the machine's own address and reaches Kafka as the machine does.
    Not root: the socket's group is all it needs. `--init` is not needed: it starts no processes.
    """
    argv = ["docker", "run", "-d", "--name", run.container, "--restart", "unless-stopped"]
    argv += ["--network", "host", "--group-add", str(run.docker_gid)]
    argv += ["--read-only", "--tmpfs", "/tmp:size=16m", "--cap-drop", "ALL"]  # noqa: S108
    argv += ["--security-opt", "no-new-privileges", "--pids-limit", "256", "--memory", "256m"]
    argv += ["--stop-timeout", "25", "--log-opt", "max-size=10m", "--log-opt", "max-file=3"]
    for name, value in {**run.labels, **_own_labels(run)}.items():
        argv += ["--label", f"{name}={value}"]
    for outside, inside in _mounts(run).items():
        argv += ["-v", f"{outside}:{inside}"]
    for name, value in environment(run).items():
        argv += ["-e", f"{name}={value}"]
    return [*argv, run.image, "node_manager.client"]


def _own_labels(run: ClientRun) -> dict[str, str]:
    return {"io.rota.platform": run.platform, "io.rota.service": "client"}


def _mounts(run: ClientRun) -> dict[str, str]:
    return {
        DOCKER_SOCKET: DOCKER_SOCKET,
        run.state_folder: STATE_FOLDER,
        run.secrets_folder: f"{SECRETS_FOLDER}:ro",
        run.run_folder: RUN_FOLDER,
    }
