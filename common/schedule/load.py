"""Whole schedule files: texts in, instances or all problems at once out."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from common.documents import Checker, Mapping, Node, Problem, Sequence, bounded, read_document
from common.schedule.entry import Entry
from common.schedule.lint import lint
from common.schedule.model import FileKeys, InstanceDefaults, InstanceKeys, keys_of
from common.schedule.read_instance import read_part
from common.schedule.read_schedule import check_times
from common.schedule.spec import InstanceSpec
from common.schedule.together import check_together
from common.schedule.zones import read_timezone

MOST_INSTANCES = 1000


@dataclass(frozen=True)
class Loaded:
    """What a set of files says; no instances where there is any problem.

    Warnings are of files without problems, and only where a `now` was given.
    """

    instances: tuple[InstanceSpec, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


@dataclass
class _Found:
    """What all files together hold. `is_whole`: no file hides instances by its problems."""

    entries: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    is_whole: bool = True


def load(
    text: bytes | str,
    file: str,
    known_instances: Collection[str] | None = None,
    *,
    now: datetime | None = None,
) -> Loaded:
    """Read one file; `known_instances` None: its parents must stand in it."""
    return load_many([(file, text)], known_instances, now=now)


def load_many(
    files: Iterable[tuple[str, bytes | str]],
    known_instances: Collection[str] | None = None,
    *,
    now: datetime | None = None,
) -> Loaded:
    """Read several files together; a parent must be in one of them or in `known_instances`.

    With `now` a good set of files is also looked through for what its writer hardly wants.
    """
    found = _Found()
    for file, text in files:
        _read_file(file, text, found)
    known = set(known_instances or ()) if found.is_whole else None
    found.problems += check_together(found.entries, known)
    if found.problems:
        return Loaded(problems=bounded(found.problems))
    instances = tuple(entry.spec() for entry in found.entries)
    if now is None:
        return Loaded(instances)
    return Loaded(instances, warnings=bounded(lint(found.entries, instances, now)))


def _read_file(file: str, text: bytes | str, found: _Found) -> None:
    document = read_document(text, file)
    found.problems += document.problems
    if document.tree is None:
        found.is_whole = False
        return
    checker = Checker(file)
    root = checker.mapping(document.tree, "", keys_of(FileKeys), required=("version", "instances"))
    if "version" in root:
        _check_version(checker, root["version"])
    timezone: str | None = "UTC"
    if "timezone" in root:
        timezone = read_timezone(checker, root["timezone"], "timezone")
    reader = _FileReader(checker, timezone, root.get("defaults"))
    items = _instances(checker, root.get("instances"))
    found.is_whole = found.is_whole and items is not None
    found.entries += [
        reader.read(item, f"instances[{index}]") for index, item in enumerate(items or ())
    ]
    reader.close()
    found.problems += checker.problems


def _check_version(checker: Checker, node: Node) -> None:
    version = checker.integer(node, "version", -(10**18), 10**18)
    if version is not None and version != 1:
        checker.add(node, "version", "out_of_range", f"version {version} is not known",
                    hint="this platform reads version 1")  # fmt: skip


def _instances(checker: Checker, node: Node | None) -> tuple[Node, ...] | None:
    """Return the list's items; None where they cannot all be told."""
    if node is None:
        return None
    if not isinstance(node, Sequence):
        checker.wrong_type(node, "instances", "a list")
        return None
    if not node.items:
        checker.add(node, "instances", "no_instances", "at least one instance is needed",
                    hint="add `- id:`")  # fmt: skip
    if len(node.items) > MOST_INSTANCES:
        checker.add(node, "instances", "too_many_instances",
                    f"{len(node.items)} instances; at most {MOST_INSTANCES} a file",
                    hint="split the file")  # fmt: skip
        return None
    return node.items


def _is_waiting(entry: Entry) -> bool:
    """Tell whether an entry names a parent, were it a wrong one."""
    parents, _ = entry.place_of("depends_on")
    return entry.has("depends_on") and not (isinstance(parents, Sequence) and not parents.items)


class _FileReader:
    """Reads the entries of one file over its defaults. Owned by one thread."""

    def __init__(self, checker: Checker, timezone: str | None, defaults: Node | None) -> None:
        self._checker = checker
        self._zones: dict[str, None] = {}  # those of instances with an inherited schedule
        self._timezone = timezone
        self._defaults = None
        if defaults is not None:
            self._defaults = read_part(checker, defaults, "defaults", InstanceDefaults)
            if "timezone" in self._defaults.present:
                self._timezone = self._defaults.values.get("timezone")

    def read(self, node: Node, path: str) -> Entry:
        """Read one entry of `instances:`."""
        own = read_part(self._checker, node, path, InstanceKeys)
        timezone = self._timezone
        if "timezone" in own.present:
            timezone = own.values.get("timezone")
        entry = Entry(self._checker.file, own, self._defaults, timezone)
        if isinstance(node, Mapping):
            self._require(entry, node)
        self._check_times(entry)
        return entry

    def _require(self, entry: Entry, node: Node) -> None:
        if "id" not in entry.own.present:
            self._checker.missing(node, entry.own.path, "id")
        if not entry.has("app"):
            self._checker.missing(node, entry.own.path, "app")
        if not entry.has("schedule") and not _is_waiting(entry):
            self._checker.add(node, entry.own.path, "missing_key",
                              "a `schedule` or `depends_on` is needed",
                              hint="add `schedule:` or `depends_on:`")  # fmt: skip

    def close(self) -> None:
        """Look whether an inherited schedule can be due, in every zone that it is used in."""
        recurrence = None if self._defaults is None else self._defaults.values.get("schedule")
        if self._defaults is not None and recurrence is not None:
            zones = self._zones or ([self._timezone] if self._timezone else [])
            check_times(self._checker, self._defaults.place_of("schedule"), recurrence, zones)

    def _check_times(self, entry: Entry) -> None:
        if entry.timezone is None:
            return
        if entry.part_of("schedule") is self._defaults:
            self._zones[entry.timezone] = None
        elif "schedule" in entry.own.values:
            recurrence = entry.own.values["schedule"]
            check_times(self._checker, entry.place_of("schedule"), recurrence, [entry.timezone])
