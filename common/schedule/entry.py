"""One entry of `instances:` laid over the file's defaults: what it says, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from common.documents import Node
from common.schedule.read_instance import Edge, Part
from common.schedule.spec import InstanceSpec

_FIELDS = {
    "node": "node_labels", "timeout": "timeout_s", "grace": "grace_s",
    "start_deadline": "start_deadline_s",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """An instance as the file has it. `timezone` None: it could not be read."""

    file: str
    own: Part
    defaults: Part | None
    timezone: str | None

    @property
    def id(self) -> str | None:
        """The instance id; None where it is missing or wrong."""
        found: str | None = self.own.values.get("id")
        return found

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Its dependencies, those that could be read."""
        found: tuple[Edge, ...] = self.values.get("depends_on", ())
        return found

    @property
    def values(self) -> dict[str, Any]:
        """What is said of it, its own words over the defaults."""
        if self.defaults is None:
            return self.own.values
        inherited = self.defaults.values
        return {key: inherited[key] for key in inherited.keys() - self.own.present} | (
            self.own.values
        )

    def has(self, key: str) -> bool:
        """Tell whether a key is there, were its value wrong."""
        return self.part_of(key) is not None

    def part_of(self, key: str) -> Part | None:
        """Return the mapping that gives a key: its own, or the defaults."""
        if key in self.own.present:
            return self.own
        return self.defaults if self.defaults is not None and key in self.defaults.present else None

    def place_of(self, key: str) -> tuple[Node, str]:
        """Return the node and the path of a key, or of the entry itself."""
        part = self.part_of(key)
        return part.place_of(key) if part is not None else (self.own.node, self.own.path)

    def spec(self) -> InstanceSpec:
        """Make the spec of an entry without problems."""
        said = dict(self.values)
        said |= said.pop("resources", {})
        said["depends_on"] = tuple(edge.dependency for edge in self.edges)
        said["timezone"] = self.timezone or "UTC"
        return InstanceSpec(
            **{_FIELDS.get(key, key): value for key, value in said.items() if value is not None}
        )
