"""Whole schedule files: texts in, instances or all problems at once out."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from common.documents import Checker, Mapping, Node, Problem, Sequence, read_document
from common.documents.problem import bounded
from common.schedule.read_instance import INSTANCE_KEYS, InstanceReader, read_timezone
from common.schedule.spec import InstanceSpec

MOST_INSTANCES = 1000
_ROOT_KEYS = {"version", "timezone", "defaults", "instances"}


@dataclass(frozen=True)
class Loaded:
    """What a set of files says; no instances where there is any problem."""

    instances: tuple[InstanceSpec, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


@dataclass
class _Places:
    """Where each instance stands, for problems that concern several of them."""

    specs: dict[str, InstanceSpec] = field(default_factory=dict)
    at: dict[str, tuple[str, Node, str]] = field(default_factory=dict)


def load(
    text: bytes | str, file: str, known_instances: Collection[str] | None = None
) -> Loaded:
    """Read one file; `known_instances` None: its parents must stand in it."""
    return load_many([(file, text)], known_instances)


def load_many(
    files: Iterable[tuple[str, bytes | str]], known_instances: Collection[str] | None = None
) -> Loaded:
    """Read several files together; a parent must be in one of them or in `known_instances`."""
    problems: list[Problem] = []
    places = _Places()
    for file, text in files:
        problems += _read_file(file, text, places)
    problems += _check_parents(places, set(known_instances or ()), is_whole=not problems)
    if problems:
        return Loaded(problems=bounded(problems))
    return Loaded(tuple(places.specs.values()))


def _read_file(file: str, text: bytes | str, places: _Places) -> list[Problem]:
    document = read_document(text, file)
    if document.root is None:
        return list(document.problems)
    checker = Checker(file)
    root = checker.mapping(document.root, "", _ROOT_KEYS, required=("version", "instances"))
    if "version" in root and checker.integer(root["version"], "version", 1, 1) is None:
        checker.problems[-1] = _with_hint(checker.problems[-1], "this platform reads version 1")
    timezone = "UTC"
    if "timezone" in root:
        timezone = read_timezone(checker, root["timezone"], "timezone") or "UTC"
    defaults = {}
    if "defaults" in root:
        defaults = checker.mapping(root["defaults"], "defaults", INSTANCE_KEYS - {"id"})
    _read_instances(checker, root.get("instances"), (defaults, timezone), places)
    return checker.problems


def _read_instances(
    checker: Checker, node: Node | None, inherited: tuple[dict[str, Node], str], places: _Places
) -> None:
    if node is None:
        return
    if not isinstance(node, Sequence):
        checker.wrong_type(node, "instances", "a list")
        return
    if not node.items:
        checker.add(node, "instances", "no_instances", "at least one instance is needed")
    if len(node.items) > MOST_INSTANCES:
        checker.add(node, "instances", "too_many_instances",
                    f"{len(node.items)} instances; at most {MOST_INSTANCES} a file",
                    "split the file")  # fmt: skip
        return
    defaults, timezone = inherited
    for index, item in enumerate(node.items):
        path = f"instances[{index}]"
        spec = InstanceReader(checker, path, defaults).read(item, timezone)
        if spec is None:
            _remember_id(item, places)
        elif spec.id in places.at:
            file, first, _ = places.at[spec.id]
            checker.add(_key_of(item, "id"), f"{path}.id", "duplicate_id",
                        f"{spec.id!r} stands also in {file} on line {first.line}")  # fmt: skip
        else:
            places.specs[spec.id] = spec
            places.at[spec.id] = (checker.file, item, path)


def _remember_id(item: Node, places: _Places) -> None:
    """Keep the id of an instance with problems, so that its children are not blamed."""
    if isinstance(item, Mapping):
        for key, value in item.entries:
            if key.text == "id" and hasattr(value, "text"):
                places.at.setdefault(value.text, ("", item, ""))


def _key_of(item: Node, name: str) -> Node:
    if isinstance(item, Mapping):
        return next((value for key, value in item.entries if key.text == name), item)
    return item


def _check_parents(places: _Places, known: set[str], *, is_whole: bool) -> list[Problem]:
    problems: list[Problem] = []
    for name, spec in places.specs.items():
        file, node, path = places.at[name]
        for index, edge in enumerate(spec.depends_on):
            if edge.instance not in places.at and edge.instance not in known:
                checker = Checker(file)
                checker.add(_key_of(node, "depends_on"), f"{path}.depends_on[{index}].instance",
                            "unknown_parent", f"there is no instance {edge.instance!r}",
                            "a parent stands in one of the files given together")  # fmt: skip
                problems += checker.problems
    cycle = _find_cycle(places.specs) if is_whole else None
    if cycle:
        file, node, path = places.at[cycle[0]]
        checker = Checker(file)
        checker.add(_key_of(node, "depends_on"), f"{path}.depends_on", "cycle",
                    f"these wait for each other: {' → '.join(cycle)}")  # fmt: skip
        problems += checker.problems
    return problems


def _find_cycle(specs: dict[str, InstanceSpec]) -> list[str] | None:
    """Return one cycle of dependencies, its first name repeated at the end."""
    done: set[str] = set()
    for start in specs:
        trail: list[str] = []
        stack = [(start, 0)]
        while stack:
            name, depth = stack.pop()
            del trail[depth:]
            if name in trail:
                return [*trail[trail.index(name) :], name]
            if name in done or name not in specs:
                continue
            trail.append(name)
            parents = [edge.instance for edge in specs[name].depends_on]
            if not parents:
                done.add(name)
            stack += [(parent, depth + 1) for parent in parents]
        done.add(start)
    return None


def _with_hint(problem: Problem, hint: str) -> Problem:
    return Problem(problem.file, problem.line, problem.column, problem.path, problem.code,
                   problem.message, hint)  # fmt: skip
