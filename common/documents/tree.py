"""The tree that a YAML or JSON file becomes: every node with its place, counted from 1."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value: None, bool, int, float or str, and the text as written."""

    value: object
    text: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Node, ...]
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys in the order of the file; each with its own place."""

    entries: tuple[tuple[Scalar, Node], ...]
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Unread:
    """What the reader refused, and told of: no check complains of it a second time."""

    line: int
    column: int


Node = Scalar | Sequence | Mapping | Unread


@dataclass(frozen=True, slots=True)
class Flaw:
    """What the reader refuses of one event: a code, a sentence, and what to do instead."""

    code: str
    message: str
    hint: str | None = None
    makes_unread: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """One step of a parser; ``kind`` is mapping, sequence, scalar or end.

    `is_plain` tells a word without quotes.
    """

    kind: str
    line: int
    column: int
    text: str = ""
    value: object = None
    is_plain: bool = False
    flaws: tuple[Flaw, ...] = ()
