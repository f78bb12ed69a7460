"""JSON with places: `json` judges the syntax, a scan of the tokens tells where things stand."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator

from common.documents.errors import UnreadableError, place_in
from common.documents.tree import Event

_TOKEN = re.compile(r'[ \t\n\r]*(?:([{}\[\],:])|("(?:[^"\\]|\\.)*")|([^\s{}\[\],:"]+))', re.DOTALL)
_WORDS: dict[str, object] = {"true": True, "false": False, "null": None}
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_CONSTANTS = {"NaN", "Infinity", "-Infinity"}
_BEGINS = {"{": "mapping", "[": "sequence"}
_MOST_LEVELS = 500  # the interpreter's own limit is 1000; ours is checked on the events


def json_events(text: str) -> Iterator[Event]:
    """Yield the events of one JSON text; raise `UnreadableError`."""
    if not text.strip():
        return
    tokens = _tokens(text)
    _judge(text, tokens)
    line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
    for token, offset in tokens:
        if token in {",", ":"}:
            continue
        line = bisect_right(line_starts, offset)
        column = offset - line_starts[line - 1] + 1
        if token in _BEGINS:
            yield Event(_BEGINS[token], line, column)
        elif token in {"}", "]"}:
            yield Event("end", line, column)
        elif token.startswith('"'):
            word = json.loads(token)
            yield Event("scalar", line, column, word, word)
        else:
            yield Event("scalar", line, column, token, _value_of(token))


def _tokens(text: str) -> list[tuple[str, int]]:
    """Return (token, offset) up to the first thing that is none; raise for what is not JSON."""
    tokens: list[tuple[str, int]] = []
    end = depth = 0
    while (match := _TOKEN.match(text, end)) is not None:
        end = match.end()
        group = match.lastindex or 0
        token, offset = match[group], match.start(group)
        depth += (token in _BEGINS) - (token in {"}", "]"})
        if token in _CONSTANTS:
            raise UnreadableError("not_json", f"{token} is not JSON",
                                  hint="give a number or leave it out",
                                  at=place_in(text, offset))  # fmt: skip
        if depth > _MOST_LEVELS:
            raise UnreadableError("too_deep", f"nested over {_MOST_LEVELS} levels",
                                  at=place_in(text, offset))  # fmt: skip
        tokens.append((token, offset))
    return tokens


def _judge(text: str, tokens: list[tuple[str, int]]) -> None:
    try:
        json.loads(text, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        hint = None
        if tokens and tokens[-1][0] == ",":
            hint = "is there a comma too many?"
        raise UnreadableError("not_json", error.msg, hint=hint,
                              at=(error.lineno, error.colno)) from error  # fmt: skip


def _value_of(token: str) -> object:
    if token in _WORDS:
        return _WORDS[token]
    return int(token) if _INTEGER.fullmatch(token) else float(token)
