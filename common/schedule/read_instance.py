"""What one mapping of instance keys says: an entry of `instances:`, or `defaults:`.

Each mapping is read once, however many instances inherit from it; `load` lays one over the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from common.documents import Checker, Mapping, Node, Scalar, Sequence
from common.documents.checker import join
from common.documents.problem import shorten
from common.labels import LabelRule, Not
from common.schedule import values
from common.schedule.model import (
    DependencyKeys,
    InstanceDefaults,
    Model,
    NodeKeys,
    NotifyKeys,
    NotKeys,
    ResourceKeys,
    keys_of,
    limits_of,
    words_of,
)
from common.schedule.read_schedule import parsed, read_schedule
from common.schedule.spec import Dependency, Notify
from common.schedule.zones import read_timezone


@dataclass(frozen=True)
class Edge:
    """A dependency and where it is written."""

    dependency: Dependency
    node: Node
    path: str


@dataclass
class Part:
    """What a mapping says, by key; of a key that could not be read only that it is there."""

    node: Node
    path: str
    nodes: dict[str, Node] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)

    def place_of(self, key: str) -> tuple[Node, str]:
        return self.nodes.get(key, self.node), join(self.path, key)


def read_part(
    checker: Checker, node: Node, path: str, model: Model
) -> Part:  # fmt: skip
    """Read a mapping of instance keys; what is wrong is noted."""
    part = Part(node, path, checker.mapping(node, path, keys_of(model)))
    if isinstance(node, Mapping):
        part.present = {key.text for key, _ in node.entries}
    for key, value in part.nodes.items():
        found = _READERS[key](checker, value, join(path, key))
        if found is not None:
            part.values[key] = found
    return part


def _id(checker: Checker, node: Node, path: str) -> str | None:
    text = checker.text(node, path)
    if text is not None and re.fullmatch(values.ID, text) is None:
        checker.add(node, path, "bad_id", f"{shorten(text)!r} is not an instance id",
                    hint="small letters, digits and -, at most 62")  # fmt: skip
        return None
    return text


def _app(checker: Checker, node: Node, path: str) -> str | None:
    text = checker.text(node, path)
    if text is not None and re.fullmatch(values.APP, text) is None:
        checker.add(node, path, "bad_value", f"{shorten(text)!r} is no application or image",
                    hint="a name, or an image like registry/heating:1.4")  # fmt: skip
        return None
    return text


def _place(checker: Checker, node: Node, path: str) -> str | None:
    text = checker.text(node, path)
    if text is not None and not text.strip():
        checker.add(node, path, "bad_value", "a place has a name", hint="leave it out for none")
        return None
    return text


def _span(checker: Checker, node: Node, path: str) -> int | None:
    return parsed(checker, node, path, values.read_span)


def _words_in(checker: Checker, node: Node, path: str) -> tuple[str, ...]:
    found = (checker.text(n, p, any_scalar=True) for n, p in checker.items(node, path))
    return tuple(word for word in found if word is not None)


def _texts(name: str, hint: str) -> Callable[[Checker, Node, str], dict[str, str]]:
    """Make the reader of a mapping from names of a pattern to texts."""

    def read(checker: Checker, node: Node, path: str) -> dict[str, str]:
        texts: dict[str, str] = {}
        inner = checker.mapping(node, path)
        for key in _keys(node):
            where = join(path, key.text)
            if re.fullmatch(name, key.text) is None:
                checker.add(key, where, "bad_name", f"{shorten(key.text)!r} is not a name here",
                            hint=hint)  # fmt: skip
            if key.text in inner:
                text = checker.text(inner[key.text], where, any_scalar=True)
                texts[key.text] = text or ""
        return texts

    return read


def _keys(node: Node) -> Iterator[Scalar]:
    if isinstance(node, Mapping):
        yield from (key for key, _ in node.entries)


def _labels(checker: Checker, node: Node, path: str) -> dict[str, LabelRule]:
    """Read rules about labels: a value, a list of values, or `{not: …}`."""
    rules: dict[str, LabelRule] = {}
    inner = checker.mapping(node, path)
    for key in _keys(node):
        where = join(path, key.text)
        if re.fullmatch(values.LABEL, key.text) is None:
            checker.add(key, where, "bad_name", f"{shorten(key.text)!r} is not a name here",
                        hint="letters, digits and _ . / -")  # fmt: skip
        if key.text in inner:
            rules[key.text] = _label_rule(checker, inner[key.text], where)
    return rules


def _label_rule(checker: Checker, node: Node, path: str) -> LabelRule:
    """Read one rule; equal rules are read as equal values, whatever the order of a list."""
    if isinstance(node, Mapping):
        inner = checker.mapping(node, path, keys_of(NotKeys), required=("not",))
        where = join(path, "not")
        return Not(_label_values(checker, inner["not"], where) if "not" in inner else ())
    found = _label_values(checker, node, path)
    return found[0] if len(found) == 1 else found


def _label_values(checker: Checker, node: Node, path: str) -> tuple[str, ...]:
    if isinstance(node, Sequence) and not node.items:
        checker.add(node, path, "bad_value", "no value is named here",
                    hint="name at least one, or leave the label out")  # fmt: skip
    return tuple(sorted(set(_words_in(checker, node, path))))


def _node(checker: Checker, node: Node, path: str) -> dict[str, LabelRule]:
    inner = checker.mapping(node, path, keys_of(NodeKeys), required=("labels",))
    return _labels(checker, inner["labels"], join(path, "labels")) if "labels" in inner else {}


def _secrets(checker: Checker, node: Node, path: str) -> tuple[str, ...]:
    """Read names of secrets; each becomes a file in the container."""
    names: list[str] = []
    for item, where in checker.items(node, path):
        name = checker.text(item, where)
        if name is not None and re.fullmatch(values.SECRET_NAME, name) is None:
            checker.add(item, where, "bad_value", f"{shorten(name)!r} is no name of a secret",
                        hint="small letters, digits and . _ -, at most 63")  # fmt: skip
        elif name is not None:
            names.append(name)
    return tuple(dict.fromkeys(names))


def _resources(checker: Checker, node: Node, path: str) -> dict[str, Any]:
    inner = checker.mapping(node, path, keys_of(ResourceKeys))
    found: dict[str, Any] = {}
    if "cpus" in inner:
        limits = limits_of(ResourceKeys, "cpus")
        found["cpus"] = checker.number(inner["cpus"], join(path, "cpus"), *limits)
    if "memory" in inner:
        where = join(path, "memory")
        found["memory_bytes"] = parsed(checker, inner["memory"], where, values.read_size)
    return found


def _edges(checker: Checker, node: Node, path: str) -> tuple[Edge, ...]:
    edges: dict[str, Edge] = {}
    for item, where in checker.items(node, path):
        edge = _edge(checker, item, where)
        if edge is None:
            continue
        parent = edge.dependency.instance
        if parent in edges:
            checker.add(edge.node, edge.path, "duplicate_parent",
                        f"{parent!r} is waited for twice", hint="keep one of them")  # fmt: skip
        edges.setdefault(parent, edge)
    return tuple(edges.values())


def _edge(checker: Checker, node: Node, path: str) -> Edge | None:
    if not isinstance(node, Mapping):
        parent = _id(checker, node, path)
        return Edge(Dependency(instance=parent), node, path) if parent else None
    inner = checker.mapping(node, path, keys_of(DependencyKeys), required=("instance",))
    on: Any = "success"
    if "on" in inner:
        words = words_of(DependencyKeys, "on")
        on = checker.choice(inner["on"], join(path, "on"), words) or on
    if "instance" not in inner:
        return None
    where = join(path, "instance")
    parent = _id(checker, inner["instance"], where)
    return Edge(Dependency(instance=parent, on=on), inner["instance"], where) if parent else None


def _notify(checker: Checker, node: Node, path: str) -> Notify | None:
    inner = checker.mapping(node, path, keys_of(NotifyKeys))
    if isinstance(node, Mapping) and not {key.text for key, _ in node.entries} & {"url", "mail"}:
        checker.add(node, path, "missing_key", "'url' or 'mail' is missing",
                    hint="say whom to tell: notify: {mail: ops@example.org}")  # fmt: skip
    url = _address(checker, inner.get("url"), join(path, "url"), _URL)
    mail = _address(checker, inner.get("mail"), join(path, "mail"), _MAIL)
    if "on" not in inner:
        return Notify(url=url, mail=mail)
    items = checker.items(inner["on"], join(path, "on"))
    words = words_of(NotifyKeys, "on")
    events = (checker.choice(n, p, words) for n, p in items)
    return Notify(url=url, mail=mail, on=tuple(event for event in events if event))


def _address(checker: Checker, node: Node | None, path: str, form: tuple[str, str, str]) -> str:
    """Read one; `form` is its pattern, what it is called, and the hint where it is none."""
    text = None if node is None else checker.text(node, path)
    if text is None:
        return ""
    pattern, what, hint = form
    if re.fullmatch(pattern, text) is None:
        checker.add(node, path, "bad_value", f"{shorten(text)!r} is no {what}", hint=hint)
    return text


_URL = (values.URL, "URL", "a URL begins with https://")
_MAIL = (values.MAIL, "address", "one address, such as ops@example.org")


def _choice(key: str) -> Callable[[Checker, Node, str], str | None]:
    return lambda checker, node, path: checker.choice(node, path, words_of(InstanceDefaults, key))


def _integer(key: str) -> Callable[[Checker, Node, str], int | None]:
    return lambda checker, node, path: checker.integer(
        node, path, *limits_of(InstanceDefaults, key)
    )  # fmt: skip


_READERS: dict[str, Callable[[Checker, Node, str], Any]] = {
    "id": _id,
    "app": _app,
    "command": _words_in,
    "env": _texts(values.NAME, "letters, digits and _, not beginning with a digit"),
    "place": _place,
    "sensors": _texts(values.SENSOR, "letters, digits, _ and -, not beginning with a digit"),
    "secrets": _secrets,
    "node": _node,
    "resources": _resources,
    "timezone": read_timezone,
    "schedule": read_schedule,
    "depends_on": _edges,
    "notify": _notify,
    **dict.fromkeys(("timeout", "grace", "start_deadline"), _span),
    **{key: _choice(key) for key in ("machine", "restart", "overlap", "misfire", "on_node_lost")},
    **{key: _integer(key) for key in ("instances", "retries", "priority")},
}
