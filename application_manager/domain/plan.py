"""What applying files would do to the instances that are there: the plan. Pure.

A plan is bound to what it was made from: `etag` changes with the files, with the version of any
instance they name, and with what they mean.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from application_manager.domain.pinning import HeldByName, pin_inline
from common.schedule import InstanceSpec, spec_to_json


class Kind(StrEnum):
    """What becomes of one instance."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Application:
    """An entry of the application repository."""

    name: str
    image: str
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stored:
    """An instance as it is stored."""

    instance_id: str
    version: int
    spec: InstanceSpec
    image: str
    command: tuple[str, ...]
    paused: bool = False
    deleted: bool = False


@dataclass(frozen=True)
class Change:
    """One line of a plan; `fields` are the keys that differ."""

    kind: Kind
    instance_id: str
    version: int
    spec: InstanceSpec
    image: str
    command: tuple[str, ...]
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What would be done; nothing is done yet. `cancelled_jobs` belong to removed instances."""

    changes: tuple[Change, ...]
    etag: str
    cancelled_jobs: tuple[str, ...] = ()

    @property
    def writes(self) -> list[Change]:
        """List what differs from what is stored."""
        return [change for change in self.changes if change.kind is not Kind.UNCHANGED]


def make_plan(
    wanted: Sequence[InstanceSpec],
    stored: Mapping[str, Stored],
    applications: Mapping[str, Application],
    removed: Collection[str] = (),
    *,
    held: HeldByName = {},  # noqa: B006 - read alone
) -> Plan:
    """Compare; `stored` must hold every instance named in `wanted` and `removed` that exists.

    Images that are named without an application are pinned by what the machines hold (`held`).
    """
    sources = _Sources(applications, held)
    changes = [_change_of(spec, stored.get(spec.id), sources) for spec in wanted]
    for instance_id in sorted(removed):
        before = stored[instance_id]
        changes.append(removal_of(before))
    return Plan(tuple(changes), _etag(changes))


def removal_of(before: Stored) -> Change:
    """Return the change that deletes an instance."""
    return Change(Kind.REMOVED, before.instance_id, before.version + 1, before.spec,
                  before.image, before.command)  # fmt: skip


def find_cycle(specs: Iterable[InstanceSpec]) -> list[str] | None:
    """Return one cycle of dependencies among all instances, its first name at both ends."""
    parents = {spec.id: [edge.instance for edge in spec.depends_on] for spec in specs}
    done: set[str] = set()
    for start in parents:
        cycle = _cycle_from(start, parents, done)
        if cycle:
            return cycle
    return None


def children_of(instance_id: str, specs: Iterable[InstanceSpec]) -> list[str]:
    """List the instances that wait for one."""
    return sorted(
        spec.id for spec in specs if any(edge.instance == instance_id for edge in spec.depends_on)
    )


def _cycle_from(
    start: str, parents: Mapping[str, Sequence[str]], done: set[str]
) -> list[str] | None:
    trail: list[str] = []
    stack = [(start, 0)]
    while stack:
        name, depth = stack.pop()
        done.update(trail[depth:])
        del trail[depth:]
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            continue
        trail.append(name)
        stack += [(parent, depth + 1) for parent in parents.get(name, ())]
    done.update(trail)
    return None


@dataclass(frozen=True)
class _Sources:
    """What says which image an instance runs."""

    applications: Mapping[str, Application]
    held: HeldByName

    def image_of(self, spec: InstanceSpec, before: Stored | None) -> str:
        application = self.applications.get(spec.app)
        if application is not None:
            return application.image
        return pin_inline(spec.app, before.image if before else None, self.held)

    def command_of(self, spec: InstanceSpec) -> tuple[str, ...]:
        application = self.applications.get(spec.app)
        return spec.command or (application.command if application else ())


def _change_of(spec: InstanceSpec, before: Stored | None, sources: _Sources) -> Change:
    image, command = sources.image_of(spec, before), sources.command_of(spec)
    if before is None:
        return Change(Kind.ADDED, spec.id, 1, spec, image, command)
    fields = _differences(before, spec, image, command)
    if before.deleted:
        return Change(Kind.ADDED, spec.id, before.version + 1, spec, image, command)
    if not fields:
        return Change(Kind.UNCHANGED, spec.id, before.version, spec, image, command)
    return Change(Kind.CHANGED, spec.id, before.version + 1, spec, image, command, fields)


def _differences(
    before: Stored, spec: InstanceSpec, image: str, command: tuple[str, ...]
) -> tuple[str, ...]:
    if (before.spec, before.image, before.command) == (spec, image, command):
        return ()
    old, new = flat(before.spec), flat(spec)
    fields = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    if before.image != image:
        fields.add("image")
    if before.command != command:
        fields.add("command")
    return tuple(sorted(fields))


def flat(spec: InstanceSpec) -> dict[str, object]:
    """Return a spec as dotted keys, the form in which two versions are compared."""
    found: dict[str, object] = {}
    for key, value in msgspec.json.decode(spec_to_json(spec)).items():
        if isinstance(value, dict):
            found |= {f"{key}.{inner}": item for inner, item in value.items()}
        else:
            found[key] = value
    return found


def _etag(changes: Iterable[Change]) -> str:
    digest = hashlib.sha256()
    for change in changes:
        line = (change.kind, change.instance_id, str(change.version), spec_to_json(change.spec),
                change.image, *change.command)  # fmt: skip
        digest.update("\x1f".join(line).encode() + b"\x1e")
    return digest.hexdigest()[:32]
