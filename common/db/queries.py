"""Named SQL: reading a package's queries.sql, and putting parameters into a statement.

The file is blocks of ``-- name: insert_job``, comment lines that describe, and one statement.
How a value is escaped is the driver's business (`common.db.mysql`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cached_property
from importlib.resources import files
from typing import Any

from common.errors import ConfigError

Escape = Callable[[Sequence[Any]], Sequence[bytes]]
"""Turns values into SQL literals, in order."""

_NAME = re.compile(r"^--\s*name:\s*(\w+)\s*$", re.MULTILINE)
_PARAMETER = re.compile(r"%\((\w+)\)s")
_VALUES = re.compile(r"\bVALUES\s*(?=\()", re.IGNORECASE)


@dataclass(frozen=True)
class Statement:
    """One statement with named parameters."""

    name: str
    text: str

    @cached_property
    def _pieces(self) -> list[str]:
        """Alternate text and parameter name: text, name, text, name, ..., text."""
        return _PARAMETER.split(self.text)

    @property
    def parameters(self) -> Sequence[str]:
        """The names of its parameters, one for each place."""
        return self._pieces[1::2]

    @cached_property
    def _texts(self) -> list[bytes]:
        return [piece.encode() for piece in self._pieces[::2]]

    def render(self, parameters: Mapping[str, Any], escape: Escape) -> bytes:
        """Put the parameters in; `KeyError` when one is missing."""
        literals = [_literal(parameters[name], escape) for name in self._pieces[1::2]]
        return self._joined(literals)

    def render_many(self, rows: Sequence[Mapping[str, Any]], escape: Escape) -> bytes:
        """Render the statement once for each row, joined by commas; no lists in them.

        What has nothing to escape is quoted here: the driver looks at each character of a text,
        which took longer than all else. Of the rest each different value is escaped once, and all
        in one call, which costs more than escaping a hundred values.
        """
        places: dict[tuple[type, Any], int] = {}
        columns = [
            _column([row[name] for row in rows], places) for name in self._pieces[1::2]
        ]
        literals = escape([_plain(value) for _, value in places])
        texts = [_resolved(column, literals, len(rows)) for column in columns]
        each = zip(*texts, strict=True) if texts else [()] * len(rows)
        return b",".join(map(self._form.__mod__, each))

    @cached_property
    def _form(self) -> bytes:
        return b"%b".join(text.replace(b"%", b"%%") for text in self._texts)

    def _joined(self, literals: Sequence[bytes]) -> bytes:
        parts = [b""] * (2 * len(literals) + 1)
        parts[::2] = self._texts
        parts[1::2] = literals
        return b"".join(parts)

    def split_values(self) -> tuple[str, Statement, str]:
        """Cut ``INSERT ... VALUES (...) ...`` into what is before, the tuple, and what follows."""
        found = _VALUES.search(self.text)
        if not found:
            raise ConfigError(f"query {self.name} has no VALUES (...) to repeat")
        end = _closing_parenthesis(self.text, found.end()) + 1
        row = Statement(self.name, self.text[found.end() : end])
        return self.text[: found.end()], row, self.text[end:]


class Queries:
    """The statements of one package, by name."""

    def __init__(self, statements: Sequence[Statement]) -> None:
        self._by_name = {statement.name: statement for statement in statements}

    def __getitem__(self, name: str) -> Statement:
        try:
            return self._by_name[name]
        except KeyError:
            raise ConfigError(f"queries.sql has no query named {name}") from None

    def names(self) -> Sequence[str]:
        return list(self._by_name)


def load_queries(package: str) -> Queries:
    """Read ``queries.sql`` of a package, and the ones that every service has."""
    texts = [
        files(owner).joinpath("queries.sql").read_text(encoding="utf-8")
        for owner in ("common.db", package)
    ]
    return parse_queries("\n".join(texts))


def parse_queries(text: str) -> Queries:
    """Read queries from text; refuse a name used twice and a name without a statement."""
    pieces = _NAME.split(text)
    statements: list[Statement] = []
    for name, body in zip(pieces[1::2], pieces[2::2], strict=True):
        lines = [line for line in body.splitlines() if not line.lstrip().startswith("--")]
        sql = "\n".join(lines).strip().rstrip(";").rstrip()
        if not sql:
            raise ConfigError(f"query {name} has no statement")
        if any(statement.name == name for statement in statements):
            raise ConfigError(f"query {name} is there twice")
        statements.append(Statement(name, sql))
    return Queries(statements)


def _literal(value: Any, escape: Escape) -> bytes:
    if isinstance(value, (list, tuple, set, frozenset)):
        if not value:
            return b"(NULL)"
        return b"(" + b", ".join(escape([_plain(each) for each in value])) + b")"
    return escape([_plain(value)])[0]


def _column(values: list[Any], places: dict[tuple[type, Any], int]) -> list[bytes | int]:
    """Return the literal of each value, or its place among those that the driver is to write."""
    first = values[0]
    if all(value is first for value in values):
        values = [first]
    return [
        _quoted(value) or places.setdefault((value.__class__, value), len(places))
        for value in values
    ]


def _resolved(column: list[bytes | int], literals: Sequence[bytes], count: int) -> list[bytes]:
    texts = [one if isinstance(one, bytes) else literals[one] for one in column]
    return texts if len(texts) == count else texts * count


def _quoted(value: Any) -> bytes | None:
    """Quote a text in which nothing can end the quotes: UTF-8 has no such byte within a character.

    None for all others.
    """
    if value.__class__ is not str or "'" in value or "\\" in value or "\0" in value:
        return None
    return b"'%b'" % value.encode()


def _plain(value: Any) -> Any:
    """Turn what our code passes into what the driver knows."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError(f"a datetime without zone as parameter: {value}")
        instant = value if value.tzinfo is UTC else value.astimezone(UTC)
        return instant.replace(tzinfo=None)
    return value


def _closing_parenthesis(text: str, opening: int) -> int:
    depth, quote = 0, ""
    for position in range(opening, len(text)):
        character = text[position]
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"`":
            quote = character
        elif character in "()":
            depth += 1 if character == "(" else -1
            if depth == 0:
                return position
    raise ConfigError("a parenthesis is not closed")
