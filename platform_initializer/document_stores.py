"""Reads what the platform's file says of Kafka and MySQL beyond where they run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from common.documents import Checker, Node
from common.documents.tree import Mapping as Tree
from platform_initializer.domain.brokers import QUORUM_OF
from platform_initializer.domain.external import External

AUTO = "auto"
_PORTS = {"kafka": 9092, "mysql": 3306}
_PLACE = re.compile(r"(?P<host>[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:]+\])(?::(?P<port>[0-9]{1,5}))?")


def read_brokers(
    checker: Checker, keys: Mapping[str, Node], on: Sequence[str]
) -> int | None:
    """Return how many brokers are wanted, None where the facts decide; problems are noted."""
    if "on" in keys and len(on) not in {0, 1, QUORUM_OF}:
        checker.add(keys["on"], "services.kafka.on", "bad_value",
                    f"{len(on)} brokers agree on nothing that one or three do not",
                    hint="name one machine or three")  # fmt: skip
    count = _replicas(checker, keys["replicas"]) if "replicas" in keys else None
    if count is not None and on and count != len(on):
        checker.add(keys["replicas"], "services.kafka.replicas", "bad_value",
                    f"it is pinned to {len(on)} machines",
                    hint="name as many under `on`, or leave one of the two out")  # fmt: skip
    return len(on) if on else count


def check_machines(checker: Checker, root: Node, brokers: int | None, machines: int) -> None:
    """Note when there are fewer machines than brokers: each needs its own."""
    if brokers is not None and machines and brokers > machines:
        checker.add(root, "services.kafka.replicas", "bad_value",
                    f"{brokers} brokers need as many machines, there are {machines}",
                    hint="add machines, or `replicas: 1`")  # fmt: skip


def read_external(
    checker: Checker, top: Mapping[str, Node], folder: Path
) -> dict[str, External]:
    """Return the servers of the operator's by `kafka` and `mysql`; problems are noted."""
    found: dict[str, External] = {}
    for store in ("kafka", "mysql"):
        if store not in top:
            continue
        keys = checker.mapping(top[store], store, known={"external"}, required=("external",))
        if "external" not in keys:
            continue
        found[store] = _external(checker, store, keys["external"], folder)
        for node in _named_service(top.get("services"), store):
            checker.add(node, f"services.{store}", "bad_value",
                        f"{store} is external: nothing of it is placed",
                        hint="take one of the two out of the file")  # fmt: skip
    return found


def _named_service(services: Node | None, store: str) -> list[Node]:
    entries = services.entries if isinstance(services, Tree) else ()
    return [key for key, _ in entries if key.text == store]


def _external(checker: Checker, store: str, node: Node, folder: Path) -> External:
    path, where = f"{store}.external", "bootstrap" if store == "kafka" else "address"
    known = {"bootstrap" if store == "kafka" else "address", "ca", "user"}
    keys = checker.mapping(node, path, known=known, required=(where, "ca", "user"))
    places: list[tuple[Node, str]] = []
    if where in keys:
        listed = checker.items(keys[where], f"{path}.{where}") if store == "kafka" else [
            (keys[where], f"{path}.{where}")]  # fmt: skip
        places = list(listed)
    addresses = [_address(checker, item, at, _PORTS[store]) for item, at in places]
    user = checker.text(keys["user"], f"{path}.user") if "user" in keys else None
    authority = _authority(checker, keys["ca"], f"{path}.ca", folder) if "ca" in keys else ""
    return External(tuple(filter(None, addresses)), user or "", authority)


def _address(checker: Checker, node: Node, path: str, port: int) -> str:
    text = checker.text(node, path) or ""
    found = _PLACE.fullmatch(text)
    if text and (found is None or not 1 <= int(found["port"] or port) <= 65535):
        checker.add(node, path, "bad_value", f"{text!r} cannot be read here",
                    hint=f"a host or host:port, such as db.example.org:{port}")  # fmt: skip
        return ""
    return f"{found['host']}:{found['port'] or port}" if found else ""


def _authority(checker: Checker, node: Node, path: str, folder: Path) -> str:
    """Read the authority's certificates; without one nobody knows whom the password goes to."""
    text = checker.text(node, path)
    file = folder / Path(text or "").expanduser()
    try:
        found = file.read_text(encoding="utf-8") if text else ""
    except (OSError, UnicodeDecodeError) as error:
        checker.add(node, path, "unreadable", f"{file}: {error}",
                    hint="a file with PEM certificates")  # fmt: skip
        return ""
    if text and "BEGIN CERTIFICATE" not in found:
        checker.add(node, path, "bad_value", f"{file} holds no certificate",
                    hint="the authority that vouches for the server, as PEM")  # fmt: skip
    return found


def _replicas(checker: Checker, node: Node) -> int | None:
    text = checker.text(node, "services.kafka.replicas", any_scalar=True)
    if text is None or text == AUTO:
        return None
    if text not in {"1", str(QUORUM_OF)}:
        checker.add(node, "services.kafka.replicas", "bad_value", f"{text!r} cannot be read here",
                    hint="auto, 1 or 3: an even quorum is no safer than one less")  # fmt: skip
        return None
    return int(text)
