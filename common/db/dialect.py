"""What our MySQL says, in SQLite's words: the subset that queries.sql files and migrations use.

For `common.db.memory` only. A statement is cut into tokens; each rule below rewrites the list of
tokens; anything that no rule knows goes through as it is, and SQLite refuses it if it does not
know it either. The functions that the result calls are in `common.db.dialect_functions`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from common.db.dialect_tables import add_column, create_index, create_table, drop_index
from common.db.dialect_tokens import (
    closing,
    index_of,
    is_word,
    operand_end,
    operand_start,
    quoted,
    tokens_of,
    top_level,
)

_LITERAL_INSTANT = re.compile(r"'(\d{4}-\d\d-\d\d)(?: (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?)?'")
_RENAMED = {"GREATEST": "MAX", "LEAST": "MIN", "IF": "IIF", "LAST_INSERT_ID": "LAST_INSERT_ROWID"}
_CASTS = {"SIGNED": "INTEGER", "UNSIGNED": "INTEGER", "CHAR": "TEXT", "DOUBLE": "REAL"}


@dataclass(frozen=True)
class Translated:
    """SQLite statements with parameters as ``:name``; the last one is the statement itself."""

    statements: tuple[str, ...]
    takes_lock: bool
    """Whether it writes or reads FOR UPDATE / FOR SHARE."""
    is_nowait: bool


@cache
def translate(text: str, database: str) -> Translated:
    """Translate one statement; a table that it makes is made in `database`."""
    tokens, is_locking, is_nowait = _without_locks(tokens_of(text))
    is_read = is_word(tokens, 0, "SELECT", "WITH", "SHOW")
    if is_word(tokens, 0, "CREATE") and is_word(tokens, 1, "TABLE"):
        statements = create_table(tokens, database)
    elif is_word(tokens, 0, "CREATE") and is_word(tokens, 1, "INDEX", "UNIQUE"):
        statements = (create_index(tokens, database),)
    elif is_word(tokens, 0, "DROP") and is_word(tokens, 1, "INDEX"):
        statements = (drop_index(tokens, database),)
    elif is_word(tokens, 0, "ALTER"):
        statements = (add_column(tokens, database),)
    else:
        for rule in _RULES:
            tokens = rule(tokens)
        statements = (" ".join(tokens),)
    return Translated(statements, is_locking or not is_read, is_nowait)


def _without_locks(tokens: list[str]) -> tuple[list[str], bool, bool]:
    for start in range(len(tokens) - 1):
        is_for = is_word(tokens, start, "FOR") and is_word(tokens, start + 1, "UPDATE", "SHARE")
        if is_for or (is_word(tokens, start, "LOCK") and is_word(tokens, start + 1, "IN")):
            return tokens[:start], True, is_word(tokens, len(tokens) - 1, "NOWAIT", "LOCKED")
    return tokens, False, False


def _instants(tokens: list[str]) -> list[str]:
    """Instants are text of one width here, so that they compare as text."""

    def full(token: str) -> str:
        found = _LITERAL_INSTANT.fullmatch(token)
        if not found:
            return token
        day, time, fraction = found.groups()
        return f"'{day} {time or '00:00:00'}.{(fraction or '').ljust(6, '0')}'"

    return [full(token) for token in tokens]


def _verbs(tokens: list[str]) -> list[str]:
    """INSERT IGNORE, ON DUPLICATE KEY UPDATE and its VALUES(column)."""
    if is_word(tokens, 1, "IGNORE"):
        tokens = [tokens[0], "OR", *tokens[1:]]
    at = index_of(tokens, "ON", "DUPLICATE", "KEY", "UPDATE")
    if at is None:
        return tokens
    before, after = tokens[:at], tokens[at + 4 :]
    if index_of(before, "SELECT") is not None and index_of(before, "WHERE") is None:
        before += ["WHERE", "TRUE"]  # else SQLite takes ON for a join's
    found: list[str] = []
    while after:
        if is_word(after, 0, "VALUES") and after[1] == "(":
            found += ["excluded", ".", after[2]]
            after = after[4:]
        else:
            found.append(after.pop(0))
    return [*before, "ON", "CONFLICT", "DO", "UPDATE", "SET", *found]


def _names(tokens: list[str]) -> list[str]:
    """Functions that are called otherwise, operators and casts."""
    found: list[str] = []
    for position, word in enumerate(tokens):
        upper = word.upper()
        is_call = position + 1 < len(tokens) and tokens[position + 1] == "("
        if is_call and upper in _RENAMED:
            found.append(_RENAMED[upper])
        elif upper in _CASTS and is_word(tokens, position - 1, "AS"):
            found.append(_CASTS[upper])
        elif word == "<=>":
            found.append("IS")
        elif word == "/":
            found += ["*", "1.0", "/"]
        else:
            found.append("/" if upper == "DIV" else word)
    return found


def _intervals(tokens: list[str]) -> list[str]:
    """``x + INTERVAL n SECOND`` becomes ``ADD_INTERVAL(x, +1, n, 'SECOND')``."""
    while (at := index_of(tokens, "INTERVAL")) is not None:
        end = operand_end(tokens, at + 1)
        amount, unit = tokens[at + 1 : end], quoted(tokens[end].upper())
        if tokens[at - 1] == ",":  # DATE_ADD(x, INTERVAL n SECOND)
            tokens = [*tokens[:at], *amount, ",", unit, *tokens[end + 1 :]]
            continue
        start = operand_start(tokens, at - 2)
        call = ["ADD_INTERVAL", "(", *tokens[start : at - 1], ",", tokens[at - 1] + "1", ","]
        tokens = [*tokens[:start], *call, *amount, ",", unit, ")", *tokens[end + 1 :]]
    return tokens


def _units(tokens: list[str]) -> list[str]:
    """``TIMESTAMPDIFF(SECOND, a, b)``: the unit is text for us."""
    found = list(tokens)
    for position in range(2, len(found)):
        if is_word(found, position - 2, "TIMESTAMPDIFF"):
            found[position] = quoted(found[position].upper())
    return found


def _escapes(tokens: list[str]) -> list[str]:
    """MySQL's LIKE knows a backslash as its escape, SQLite's knows none unless told."""
    found, position = list(tokens), 0
    while position < len(found):
        if is_word(found, position, "LIKE"):
            end = operand_end(found, position + 1)
            if not is_word(found, end, "ESCAPE"):
                found[end:end] = ["ESCAPE", "'\\'"]
        position += 1
    return found


def _dropped(tokens: list[str]) -> list[str]:
    """COLLATE and index hints, which change no answer here."""
    while (at := index_of(tokens, "COLLATE")) is not None:
        tokens = tokens[:at] + tokens[at + 2 :]
    for hint in ("FORCE", "USE", "IGNORE"):
        while (at := index_of(tokens, hint, "INDEX")) is not None:
            tokens = tokens[:at] + tokens[closing(tokens, at + 2) + 1 :]
    return tokens


def _limits(tokens: list[str]) -> list[str]:
    """DELETE and UPDATE with LIMIT: SQLite has it in a subquery only."""
    limit = top_level(tokens, "LIMIT")
    where = top_level(tokens, "WHERE")
    if not is_word(tokens, 0, "DELETE", "UPDATE") or limit is None:
        return tokens
    where = where if where is not None else top_level(tokens, "ORDER") or limit
    table = tokens[2:where] if is_word(tokens, 0, "DELETE") else tokens[1 : tokens.index("SET")]
    chosen = ["SELECT", "rowid", "FROM", *table, *tokens[where:]]
    return [*tokens[:where], "WHERE", "rowid", "IN", "(", *chosen, ")"]


_RULES: Sequence[Callable[[list[str]], list[str]]] = (
    _instants, _dropped, _verbs, _intervals, _units, _names, _escapes, _limits,
)  # fmt: skip
