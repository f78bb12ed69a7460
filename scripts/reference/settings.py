"""The page on settings, drawn from the calls that read them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from scripts.reference.source import NOTE, SERVICES, called, calls, table, texts

_READERS = {"text", "optional", "path", "integer", "number", "secret"}
_KAFKA = ("KAFKA_BOOTSTRAP", "KAFKA_USER", "KAFKA_PASSWORD", "KAFKA_CA_FILE")
_MYSQL = ("MYSQL_HOST", "MYSQL_PORT", "MYSQL_USER", "MYSQL_PASSWORD", "MYSQL_CA_FILE")
_ADMIN = ("MYSQL_ADMIN_HOST", "MYSQL_ADMIN_PORT", "MYSQL_ADMIN_USER", "MYSQL_ADMIN_PASSWORD")
_DOORS = {"kafka": _KAFKA, "mysql": _MYSQL}
TOOL = {"DEBUG", "TOKEN_FILE", "URL", "CA_FILE", "PASSPHRASE_FILE", "IMAGES_REGISTRY",
         "IMAGES_PULL"}  # fmt: skip
_WHO = {"common": "every service", "platform_initializer": "the setup of topics",
        "client": "platform client"}  # fmt: skip
MEANINGS = {
    "ADMIN_PASSWORD": "the first user's password; only read while there is no user",
    "API_TOKEN": "the first API token, made with the first user",
    "APP_SECRETS": "names of the secrets that apps may ask for; absent: not checked",
    "BUILD": "what `/version` and `rota service list -o wide` call this build",
    "CLIENT_ADDRESS": "where other machines reach this one",
    "CLIENT_BIND": "the address the log port listens on",
    "CLIENT_CPUS": "processors the node offers; 0: what Docker says",
    "CLIENT_DOCKER": "Docker's socket; `/var/run/docker.sock`",
    "CLIENT_JOURNAL": "the journal; kept logs stand beside it",
    "CLIENT_LABELS": "the node's labels, a JSON object of texts",
    "CLIENT_MEMORY_MIB": "memory the node offers, MiB; 0: what Docker says",
    "CLIENT_NODE_ID": "the node's name",
    "CLIENT_POLICY": "what containers may do beyond the default, JSON"
    " ([form](../../node_manager/client/README.md#the-policy-file))",
    "CLIENT_PORT": "the log port",
    "CLIENT_RUN_FOLDER": "a folder that is empty after a boot: for the boot id and the"
    " watchdog's sign of life",
    "CLIENT_TOKEN": "what opens the log port of clients",
    "HEALTH_HOST": "the address of `/livez`, `/readyz`, `/metrics`, `/version`",
    "HEALTH_PORT": "its port; 0 takes a free one",
    "HTTP_BIND": "the address of the page and the API",
    "HTTP_CERT_FILE": "a certificate chain for it: then HTTPS",
    "HTTP_KEY_FILE": "the certificate's key",
    "HTTP_PORT": "the port of the page and the API",
    "IMAGE_ALLOW": "image patterns that schedule files may name, with commas between",
    "KAFKA_BOOTSTRAP": "brokers, `host:port` with commas between",
    "KAFKA_CA_FILE": "who vouches for the brokers' certificates; without it no TLS",
    "KAFKA_PASSWORD": "the user's password",
    "KAFKA_USER": "the SCRAM-SHA-512 user; without it no login (tests only)",
    "KAFKA_USERS": "users and passwords that the setup gives their permissions",
    "LOAD_BALANCER_KEY_FILE": "the sampler's SSH key",
    "LOAD_BALANCER_MACHINES_FILE": "the map of machines; read again when it changes",
    "LOAD_BALANCER_PROC": "where `/proc` of its own machine is",
    "LOAD_BALANCER_USER": "the user it samples as; `rota-sampler`",
    "LOG_LEVEL": "DEBUG, INFO, WARNING, ERROR",
    "MAIL_CA_FILE": "who vouches for the mail server's certificate; without it the system's",
    "MAIL_FROM": "whom notices by mail are from; needed with a mail server",
    "MAIL_HOST": "the mail server (SMTP) that takes notices; without it none go by mail",
    "MAIL_PASSWORD": "the user's password",
    "MAIL_PORT": "its port; 587, with `tls` 465, with `none` 25",
    "MAIL_TLS": "`starttls`, `tls` (from the first byte) or `none`; a user needs one of the former",
    "MAIL_USER": "who logs in there; without it nobody does",
    "MYSQL_CA_FILE": "who vouches for the server's certificate; without it no TLS",
    "MYSQL_HOST": "the server",
    "MYSQL_PASSWORD": "the user's password",
    "MYSQL_PORT": "its port; 3306",
    "MYSQL_USER": "the service's own user",
    "MYSQL_ADMIN_HOST": "for migrations: the server, if another than `ROTA_MYSQL_HOST`",
    "MYSQL_ADMIN_PASSWORD": "for migrations: the administrator's password",
    "MYSQL_ADMIN_PORT": "for migrations: its port, if another than `ROTA_MYSQL_PORT`",
    "MYSQL_ADMIN_USER": "for migrations: who may make tables and users",
    "NODE_MANAGER_MACHINES": "the map of machines, to probe silent ones by SSH; without it silence"
    " alone decides",
    "PLATFORM": "the platform's name: a label on every container",
    "REPLICA": "this process's name among those of its service; the host's name",
    "CLOUD_SECRET": "for machines of a cloud: the password of its API",
    "CLOUD_USER": "for machines of a cloud: the access key (EC2) or user (OpenStack) of its API",
    "KEEP_DAYS": "how long answers to people's requests, past versions and notices that were sent"
    " are kept, days; 30",
    "SCHEDULER_LEASE_S": "how long a shard's lease holds, seconds; 3",
    "APP_PASSWORD": "for migrations: the password of user `rota_app`",
    "DEPLOYER_PASSWORD": "for migrations: the password of user `rota_deployer`",
    "NODES_PASSWORD": "for migrations: the password of user `rota_nodes`",
    "SCHEDULER_PASSWORD": "for migrations: the password of user `rota_scheduler`",
    "CA_FILE": "who vouches for the platform's certificate",
    "DEBUG": "1: show the traceback of what is a mistake of ours",
    "TOKEN_FILE": "the file with the API token; wins over `rota login`",
    "URL": "the platform's address; wins over `rota login`",
    "PASSPHRASE_FILE": "opens a store of secrets whose name ends in `.enc`",
    "IMAGES_PULL": "`no`: build every image here, ask no registry",
    "IMAGES_REGISTRY": "host/path where images we built before are looked up by their hash",
}
_HEAD = f"""\
{NOTE}

# Settings

A service reads `ROTA_…` from its environment; the initializer and `docker-compose.yml` write
them, so you need this page only when you start a service by hand. Every setting may instead be
given as a file that holds it, `ROTA_…_FILE`; passwords always are. A missing one, or a well-known
password, ends the process with exit code 78 and a line that says which.
"""


def settings() -> dict[str, tuple[set[str], str]]:
    """Return what reads each setting (without ``ROTA_``), and its default in words."""
    found: dict[str, tuple[set[str], str]] = {}
    for room, name, default in _reads():
        rooms, known = found.setdefault(name, (set(), default))
        rooms.add(_WHO.get(room, room.replace("_", " ")))
        found[name] = (rooms, known or default)
    return found


def text() -> str:
    """Return the page; a setting without a meaning is a `KeyError` that names it."""
    found = settings()
    rows = [[f"`ROTA_{name}`", default, _readers(rooms), MEANINGS[name]]
            for name, (rooms, default) in sorted(found.items())]  # fmt: skip
    lines = [_HEAD, *table(["setting", "default", "read by", "meaning"], rows)]
    lines += ["", "## Of the tools", ""]
    told = [[f"`ROTA_{name}`", MEANINGS[name]] for name in sorted(TOOL)]
    lines += table(["variable", "meaning"], told)
    lines += ["", "What a job's container is told: [containers](containers.md)."]
    return "\n".join(lines) + "\n"


def tool_variables() -> set[str]:
    """Name the variables that the command and the making of images read, without ``ROTA_``."""
    said = {each for room, each in texts() if room in {"cli", "images"}}
    return {each.removeprefix("ROTA_") for each in said if re.fullmatch("ROTA_[A-Z_]+", each)}


def _readers(rooms: set[str]) -> str:
    is_all = rooms >= {room.replace("_", " ") for room in SERVICES}
    return "all that talk to Kafka" if is_all else ", ".join(sorted(rooms))


def _reads() -> Iterator[tuple[str, str, str]]:
    for room, call in calls():
        method = called(call)
        if method in _READERS and _is_of_settings(call):
            yield room, ast.literal_eval(call.args[0]), _default(call)
        elif method == "_secret":
            yield room, ast.literal_eval(call.args[1]), ""
        elif method == "ServiceDatabase":
            names = (ast.literal_eval(call.args[2]), *_ADMIN)
            yield from (("the setup of databases", name, "") for name in names)
        elif method in _DOORS and room != "common":
            yield from ((room, name, "") for name in _DOORS[method])


def _is_of_settings(call: ast.Call) -> bool:
    owner = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    first = call.args[0] if call.args else None
    return owner.endswith("settings") and isinstance(first, ast.Constant)


def _default(call: ast.Call) -> str:
    """Show a default that is written where the setting is read; others are in the meaning."""
    default = call.args[1] if len(call.args) > 1 else None
    is_plain = isinstance(default, ast.Constant) and default.value not in {"", None}
    return f"`{default.value}`" if is_plain and isinstance(default, ast.Constant) else ""
