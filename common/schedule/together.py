"""What concerns several instances: unique ids, parents that exist, no cycles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from common.documents import Checker, Problem
from common.schedule.entry import Entry

MOST_CYCLES = 20  # where all wait for all, there are as many as dependencies


def check_together(entries: Sequence[Entry], known: set[str] | None) -> list[Problem]:
    """Return what is wrong between instances; `known` None: not all parents can be known."""
    problems: list[Problem] = []
    by_id: dict[str, Entry] = {}
    for entry in entries:
        if entry.id is None:
            continue
        first = by_id.setdefault(entry.id, entry)
        if first is not entry:
            problems += _problem(entry, "id", "duplicate_id",
                                 f"{entry.id!r} stands also in {first.file} on line "
                                 f"{first.own.nodes['id'].line}")  # fmt: skip
    if known is not None:
        for entry in entries:
            problems += _unknown_parents(entry, by_id.keys() | known)
    for cycle in islice(_cycles(by_id), MOST_CYCLES):
        problems += _problem(by_id[cycle[0]], "depends_on", "cycle",
                             f"these wait for each other: {' → '.join(cycle)}")  # fmt: skip
    return problems


_HINTS = {
    "duplicate_id": "each instance has an id of its own",
    "cycle": "take one of these dependencies out",
}


def _problem(entry: Entry, key: str, code: str, message: str) -> list[Problem]:
    checker = Checker(entry.file)
    checker.add(*entry.place_of(key), code, message, hint=_HINTS[code])
    return checker.problems


def _unknown_parents(entry: Entry, known: set[str]) -> list[Problem]:
    checker = Checker(entry.file)
    for edge in entry.edges:
        if edge.dependency.instance not in known:
            checker.add(edge.node, edge.path, "unknown_parent",
                        f"there is no instance {edge.dependency.instance!r}",
                        hint="a parent stands in one of the files given together")  # fmt: skip
    return checker.problems


def _cycles(by_id: dict[str, Entry]) -> Iterator[list[str]]:
    """Yield cycles of dependencies, the first name of each repeated at its end.

    One depth-first walk: each instance is entered once, so as many cycles are told as the walk
    closes, and at least one where there is any.
    """
    done: set[str] = set()
    for start in by_id:
        trail: dict[str, Iterator[str]] = {}
        following: str | None = start if start not in done else None
        while following is not None or trail:
            if following is not None:
                trail[following] = _parents(by_id[following])
                following = None
            current = next(reversed(trail))
            parent = next(trail[current], None)
            if parent is None:
                trail.popitem()
                done.add(current)
            elif parent in trail:
                names = list(trail)
                yield [*names[names.index(parent) :], parent]
            elif parent in by_id and parent not in done:
                following = parent


def _parents(entry: Entry) -> Iterator[str]:
    return (edge.dependency.instance for edge in entry.edges)
