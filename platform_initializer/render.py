"""The one-machine plan as a `docker-compose.yml`, from the same descriptions that `up` uses.

No secret stands in it: `write_secrets` makes the files it names. Compose mounts those with the mode
they have here, so the folder is closed (0700) and the files are open to the containers' users.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import yaml

from common.clock import SystemClock
from common.errors import ConfigError
from platform_initializer.domain.container import SECRETS, ContainerSpec
from platform_initializer.domain.description import HTTP_PORT, SERVICES
from platform_initializer.domain.services import (
    CLIENT_FOLDER,
    HEALTH_PORTS,
    KAFKA_PORT,
    MAIL_PASSWORD,
    MAP,
    Place,
    Site,
    container_of,
    secrets_of,
)
from platform_initializer.domain.tasks import migrations_task, topics_task
from platform_initializer.secret_store import SecretStore

NODE = "here"
ADDRESS = "127.0.0.1"
FOLDER = "./secrets"
MACHINES = "platform.json"
HEADER = """\
# The whole platform on this one machine. Made by `rota platform render compose`; a test holds it
# equal, so change platform_initializer/ instead.
#
#   make images                              builds the images named here
#   rota platform render secrets secrets     generates the passwords this file names
#   docker compose up --wait
#
# Notices by mail: write ROTA_MAIL_HOST and ROTA_MAIL_FROM into a file .env beside this one; where
# the server needs a login ROTA_MAIL_USER, too, and the password into secrets/mail_password.txt.
"""
_MAIL = ("HOST", "PORT", "FROM", "TLS", "USER")
_READY = (
    "import socket; s = socket.create_connection(('127.0.0.1', {port}), 3); "
    "s.sendall(b'GET /readyz HTTP/1.0\\r\\n\\r\\n'); "
    "raise SystemExit(b' 200 ' not in b''.join(iter(lambda: s.recv(4096), b'')))"
)


def compose_text() -> str:
    """Return the whole file."""
    site = Site("rota", f"{ADDRESS}:{KAFKA_PORT}", ADDRESS, HTTP_PORT, "cm90YS1vbmUtbWFjaGluZQ",
                {"kafka": "dev", "mysql": "dev", "services": "dev"})  # fmt: skip
    place = Place(NODE, ADDRESS)
    services = {
        "migrations": _task(migrations_task(site), "mysql"),
        "topics": _task(topics_task(site, (NODE,)), "kafka"),
    }
    for name in (*SERVICES, "client"):
        services[name] = _service(container_of(name, site, place))
    _add_mail(services["application_manager"])
    whole = {
        "name": "rota",
        "services": services,
        "secrets": {name: {"file": f"{FOLDER}/{name}.txt"}
                    for name in sorted([*_secret_names(), MAIL_PASSWORD])},
        "configs": {"machines": {"file": f"{FOLDER}/{MACHINES}"}},
        "volumes": {"rota-kafka": None, "rota-mysql": None, "rota-client": None},
    }
    return HEADER + yaml.safe_dump(whole, sort_keys=False, width=100)


def write_secrets(folder: Path) -> list[str]:
    """Generate the files that the compose file names; what is there is kept. Return their names."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    store = SecretStore(folder / "secrets.json")
    store.complete()
    servers = {name: [ADDRESS] for name in ("kafka", "mysql", "application_manager")}
    store.certify("rota", servers, SystemClock().now())
    contents = {f"{name}.txt": store.text(name) for name in _secret_names()}
    here = {"name": NODE, "address": ADDRESS, "local": True}
    contents[MACHINES] = json.dumps({"platform": "rota", "machines": [here]}) + "\n"
    mail = folder / f"{MAIL_PASSWORD}.txt"  # its owner's to fill; empty: no login
    contents[mail.name] = mail.read_text(encoding="utf-8") if mail.is_file() else ""
    for name, text in contents.items():
        path = folder / name
        if path.is_dir():
            raise ConfigError(f"{path} is a folder (Docker makes one of a missing file): remove it")
        draft = path.with_name(f".{name}.{os.getpid()}")
        draft.write_text(text, encoding="utf-8")
        draft.chmod(0o444)
        draft.replace(path)
    return sorted(contents)


def _service(spec: ContainerSpec) -> dict[str, Any]:
    described = _common(spec) | {
        "restart": "unless-stopped",
        "stop_grace_period": "25s",
        "pids_limit": spec.pids,
        "labels": {"io.rota.platform": "rota", "io.rota.service": spec.service},
        "logging": {"options": {"max-size": "10m", "max-file": "3"}},
    }
    if spec.command:
        described["command"] = list(spec.command)
    if spec.service in HEALTH_PORTS:
        check = _READY.format(port=HEALTH_PORTS[spec.service])
        described["healthcheck"] = {
            "test": ["CMD", "python3", "-ISc", check],
            "interval": "5s", "timeout": "5s", "retries": 6, "start_period": "60s",
        }  # fmt: skip
        done = {"condition": "service_completed_successfully"}
        described["depends_on"] = {"migrations": done, "topics": done}
    return described


def _add_mail(described: dict[str, Any]) -> None:
    """Let a person's .env name the mail server; an empty setting counts as absent."""
    settings = {f"ROTA_MAIL_{key}": f"${{ROTA_MAIL_{key}:-}}" for key in _MAIL}
    settings["ROTA_MAIL_PASSWORD_FILE"] = f"{SECRETS}/{MAIL_PASSWORD}"
    described["environment"] = dict(sorted({**described["environment"], **settings}.items()))
    described["secrets"].append({"source": MAIL_PASSWORD, "target": MAIL_PASSWORD})


def _task(spec: ContainerSpec, store: str) -> dict[str, Any]:
    return _common(spec) | {
        "restart": "no",
        "entrypoint": [word.replace("$", "$$") for word in spec.command],
        "depends_on": {store: {"condition": "service_healthy"}},
    }


def _common(spec: ContainerSpec) -> dict[str, Any]:
    described: dict[str, Any] = {
        "image": f"{spec.image}:dev",
        "network_mode": "host",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "mem_limit": f"{spec.memory_mb}m",
        "environment": dict(spec.settings),
        "secrets": [{"source": secrets_of(spec.service)[file], "target": file}
                    for file in sorted(secrets_of(spec.service))],
    }  # fmt: skip
    if spec.user is not None:
        described["user"] = spec.user
    if spec.is_read_only:
        described["read_only"] = True
    if spec.tmpfs:
        described["tmpfs"] = list(spec.tmpfs)
    mounts = [m.replace(CLIENT_FOLDER, "rota-client") for m in spec.mounts
              if not m.startswith("/etc/rota")]  # fmt: skip
    if mounts:
        described["volumes"] = mounts
    if any(mount.startswith("/etc/rota:") for mount in spec.mounts):
        described["configs"] = [{"source": "machines", "target": MAP}]
    return described


def _secret_names() -> list[str]:
    services = (*SERVICES, "client", "migrations", "topics")
    return sorted({name for service in services for name in secrets_of(service).values()})

