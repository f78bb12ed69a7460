"""One entry of `instances:` with the defaults: mapping in, `InstanceSpec` or problems out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from common.documents import Checker, Mapping, Node, Scalar
from common.documents.checker import join
from common.schedule import values
from common.schedule.read_schedule import ScheduleReader, parsed
from common.schedule.spec import Dependency, InstanceSpec, Notify

INSTANCE_KEYS = {
    "id", "app", "command", "env", "place", "sensors", "instances", "machine", "node", "resources",
    "timezone", "schedule", "depends_on", "timeout", "restart", "retries", "overlap", "misfire",
    "priority", "notify", "grace", "start_deadline", "on_node_lost",
}  # fmt: skip
ID = re.compile(r"[a-z0-9][a-z0-9-]{0,61}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_CHOICES = {
    "machine": ("shared", "standalone"),
    "restart": ("never", "on-failure", "always"),
    "overlap": ("skip", "queue_one", "queue_all", "replace", "allow"),
    "misfire": ("latest", "all", "skip"),
    "on_node_lost": ("wait", "reschedule", "fail"),
}
_SPANS = {"timeout": "timeout_s", "grace": "grace_s", "start_deadline": "start_deadline_s"}
_INTEGERS = {"instances": (1, 1000), "retries": (0, 100), "priority": (1, 100)}
_ENDS = ("success", "failure", "done", "started")
_NOTIFY_ON = ("failed", "missed", "late", "overran", "recovered")


def is_zone(name: str) -> bool:
    """Tell whether a name is exactly one of the IANA zones; no abbreviations, no offsets."""
    if name != "UTC" and "/" not in name:
        return False
    try:
        ZoneInfo(name)
    except (OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError in name only
        return False
    except KeyError:
        return False
    return True


class InstanceReader:
    """Reads one instance. Owned by one thread."""

    def __init__(self, checker: Checker, path: str, defaults: dict[str, Node]) -> None:
        self._checker = checker
        self._path = path
        self._defaults = defaults
        self._fields: dict[str, Node] = {}

    def read(self, node: Node, timezone: str) -> InstanceSpec | None:
        """Return the spec, or None after having noted what is wrong."""
        before = len(self._checker.problems)
        own = self._checker.mapping(node, self._path, INSTANCE_KEYS)
        if not isinstance(node, Mapping):
            return None
        self._fields = self._defaults | own
        for key in ("id", "app"):
            self._require(node, key)
        if not {"schedule", "depends_on"} & self._fields.keys():
            self._checker.add(node, self._path, "missing_key",
                              "a `schedule` or `depends_on` is needed")  # fmt: skip
        fields = self._collect(timezone)
        return InstanceSpec(**fields) if len(self._checker.problems) == before else None

    def _collect(self, file_timezone: str) -> dict[str, Any]:
        timezone = self._read("timezone", self._timezone) or file_timezone
        found: dict[str, Any] = {
            "id": self._read("id", self._id),
            "app": self._read("app", self._checker.text),
            "command": self._read("command", self._words),
            "env": self._read("env", self._variables),
            "place": self._read("place", self._checker.text),
            "sensors": self._read("sensors", self._variables),
            "node_labels": self._read("node", self._labels),
            "timezone": timezone,
            "schedule": self._read(
                "schedule", lambda n, p: ScheduleReader(self._checker, n, p).read(timezone)
            ),
            "depends_on": self._read("depends_on", self._dependencies),
            "notify": self._read("notify", self._notify),
        }
        for key, choices in _CHOICES.items():
            found[key] = self._read(key, lambda n, p, c=choices: self._checker.choice(n, p, c))  # type: ignore[misc]
        for key, limits in _INTEGERS.items():
            found[key] = self._read(
                key,
                lambda n, p, m=limits: self._checker.integer(n, p, *m),  # type: ignore[misc]
            )
        for key, field in _SPANS.items():
            found[field] = self._read(key, self._span)
        found |= self._read("resources", self._resources) or {}
        return {key: value for key, value in found.items() if value is not None}

    def _read(self, key: str, read: Callable[[Node, str], Any]) -> Any:
        node = self._fields.get(key)
        return None if node is None else read(node, join(self._path, key))

    def _require(self, node: Node, key: str) -> None:
        if key not in self._fields:
            self._checker.add(node, join(self._path, key), "missing_key", f"{key!r} is missing")

    def _id(self, node: Node, path: str) -> str | None:
        text = self._checker.text(node, path, any_scalar=True)
        if text is not None and ID.fullmatch(text) is None:
            self._checker.add(node, path, "bad_id", f"{text[:80]!r} is not an instance id",
                              "small letters, digits and -, at most 62")  # fmt: skip
            return None
        return text

    def _timezone(self, node: Node, path: str) -> str | None:
        return read_timezone(self._checker, node, path)

    def _span(self, node: Node, path: str) -> int | None:
        return parsed(self._checker, node, path, values.read_span)

    def _words(self, node: Node, path: str) -> tuple[str, ...]:
        items = self._checker.items(node, path)
        found = [self._checker.text(item, where, any_scalar=True) for item, where in items]
        return tuple(word for word in found if word is not None)

    def _variables(self, node: Node, path: str) -> dict[str, str]:
        texts: dict[str, str] = {}
        for key, value in self._checker.mapping(node, path).items():
            where = join(path, key)
            if _NAME.fullmatch(key) is None:
                self._checker.add(value, where, "bad_name", f"{key[:60]!r} is not a name here",
                                  "letters, digits and _")  # fmt: skip
            text = self._checker.text(value, where, any_scalar=True)
            if text is not None:
                texts[key] = text
        return texts

    def _labels(self, node: Node, path: str) -> dict[str, str]:
        inner = self._checker.mapping(node, path, {"labels"}, required=("labels",))
        labels: dict[str, str] = {}
        if "labels" in inner:
            for key, value in self._checker.mapping(inner["labels"], join(path, "labels")).items():
                text = self._checker.text(value, join(path, f"labels.{key}"), any_scalar=True)
                labels[key] = text or ""
        return labels

    def _resources(self, node: Node, path: str) -> dict[str, Any]:
        inner = self._checker.mapping(node, path, {"cpus", "memory"})
        found: dict[str, Any] = {}
        if "cpus" in inner:
            found["cpus"] = self._checker.number(inner["cpus"], join(path, "cpus"), 0.01, 1024)
        if "memory" in inner:
            found["memory_bytes"] = parsed(
                self._checker, inner["memory"], join(path, "memory"), values.read_size
            )
        return found

    def _dependencies(self, node: Node, path: str) -> tuple[Dependency, ...]:
        found = (self._dependency(item, at) for item, at in self._checker.items(node, path))
        return tuple(edge for edge in found if edge is not None)

    def _dependency(self, node: Node, path: str) -> Dependency | None:
        if isinstance(node, Scalar):
            parent = self._id(node, path)
            return Dependency(instance=parent) if parent else None
        inner = self._checker.mapping(node, path, {"instance", "on"}, required=("instance",))
        if "instance" not in inner:
            return None
        parent = self._id(inner["instance"], join(path, "instance"))
        on = None
        if "on" in inner:
            on = self._checker.choice(inner["on"], join(path, "on"), _ENDS)
        return Dependency(instance=parent, on=on or "success") if parent else None  # type: ignore[arg-type]

    def _notify(self, node: Node, path: str) -> Notify | None:
        inner = self._checker.mapping(node, path, {"url", "on"}, required=("url",))
        if "url" not in inner:
            return None
        url = self._checker.text(inner["url"], join(path, "url"))
        if url is not None and not url.startswith(("https://", "http://")):
            where = join(path, "url")
            self._checker.add(inner["url"], where, "bad_value", "a URL begins with https://")
        if "on" not in inner:
            return Notify(url=url or "")
        items = self._checker.items(inner["on"], join(path, "on"))
        events = (self._checker.choice(n, p, _NOTIFY_ON) for n, p in items)
        return Notify(url=url or "", on=tuple(event for event in events if event))


def read_timezone(checker: Checker, node: Node, path: str) -> str | None:
    """Return an IANA zone's name."""
    text = checker.text(node, path)
    if text is not None and not is_zone(text):
        checker.add(node, path, "unknown_timezone", f"{text[:60]!r} is not an IANA zone",
                    "names like Europe/Berlin; no abbreviations, no offsets")  # fmt: skip
        return None
    return text
