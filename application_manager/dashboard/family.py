"""The dependencies around one instance as a small drawing: parents left, children right. Pure."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

MOST = 60
COLUMN, ROW = 204, 44
WIDTH, HEIGHT = 148, 30


@dataclass(frozen=True)
class Edge:
    """`child` waits for an end of `parent`: success, failure, done or started."""

    parent: str
    child: str
    on: str


@dataclass(frozen=True)
class Box:
    """Where an instance is drawn."""

    name: str
    x: int
    y: int
    is_self: bool


@dataclass(frozen=True)
class Line:
    """An edge as an SVG path, its word at (x, y)."""

    path: str
    on: str
    x: float
    y: float


@dataclass(frozen=True)
class Graph:
    """A drawing with its size; `edges` tell the same in words."""

    boxes: Sequence[Box]
    lines: Sequence[Line]
    edges: Sequence[Edge]
    width: int
    height: int


def edges_from(rows: Iterable[Mapping[str, str]]) -> list[Edge]:
    """Read the edges of all instances."""
    return [
        Edge(edge["instance"], row["instance_id"], edge.get("on", "success"))
        for row in rows for edge in json.loads(row["depends_on"])
    ]  # fmt: skip


def family_of(name: str, edges: Sequence[Edge]) -> Graph | None:
    """Draw all ancestors and descendants of an instance; None where it has none."""
    levels = {name: 0, **_reach(name, edges, -1), **_reach(name, edges, 1)}
    if len(levels) == 1:
        return None
    columns: dict[int, list[str]] = defaultdict(list)
    for each, level in sorted(levels.items()):
        columns[level].append(each)
    first, tallest = min(columns), max(len(column) for column in columns.values())
    boxes: dict[str, Box] = {}
    for level, column in columns.items():
        top = (tallest - len(column)) * ROW // 2
        for place, each in enumerate(column):
            x, y = (level - first) * COLUMN + 4, top + place * ROW + 8
            boxes[each] = Box(each, x, y, each == name)
    kept = [edge for edge in edges if edge.parent in boxes and edge.child in boxes]
    lines = [_line(boxes[edge.parent], boxes[edge.child], edge.on) for edge in kept]
    width = (max(columns) - first) * COLUMN + WIDTH + 8
    return Graph(list(boxes.values()), lines, kept, width, tallest * ROW + 8)


def _reach(name: str, edges: Sequence[Edge], step: int) -> dict[str, int]:
    """Walk to one side, breadth first; at most `MOST` instances."""
    found: dict[str, int] = {}
    frontier, level = [name], 0
    while frontier and len(found) < MOST:
        level += step
        ends = {
            edge.child if step > 0 else edge.parent
            for edge in edges
            if (edge.parent if step > 0 else edge.child) in frontier
        }
        frontier = sorted(ends - found.keys() - {name})
        found.update(dict.fromkeys(frontier, level))
    return found


def _line(start: Box, end: Box, on: str) -> Line:
    x1, y1 = start.x + WIDTH, start.y + HEIGHT // 2
    x2, y2 = end.x, end.y + HEIGHT // 2
    middle = (x1 + x2) / 2
    path = f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"
    return Line(path, on, middle, (y1 + y2) / 2 - 4)
