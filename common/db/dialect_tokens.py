"""Cutting a MySQL statement into tokens, and finding one's way among them."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""(?P<skip>\s+|--[^\n]*|/\*.*?\*/)
      | (?P<text>'(?:[^'\\]|\\.|'')*')
      | (?P<name>`[^`]+`)
      | %\((?P<parameter>\w+)\)s
      | (?P<other>\w+\.\d+|@@\w+|\w+|<=>|->>|<>|<=|>=|!=|->|\|\||&&|:=|.)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "%": "\\%", "_": "\\_"}


def tokens_of(text: str) -> list[str]:
    """Cut; texts and names come out in SQLite's quotes, parameters as ``:name``."""
    found: list[str] = []
    for match in _TOKEN.finditer(text):
        if match["text"]:
            found.append(quoted(_unescaped(match["text"][1:-1])))
        elif match["name"]:
            found.append(f'"{match["name"][1:-1]}"')
        elif match["parameter"]:
            found.append(f":{match['parameter']}")
        elif not match["skip"]:
            found.append(match["other"])
    return found


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def is_word(tokens: list[str], position: int, *words: str) -> bool:
    """Tell whether one of these keywords stands there."""
    return 0 <= position < len(tokens) and tokens[position].upper() in words


def index_of(tokens: list[str], *words: str) -> int | None:
    """Find where these keywords follow each other."""
    width = len(words)
    for position in range(len(tokens) - width + 1):
        if [token.upper() for token in tokens[position : position + width]] == list(words):
            return position
    return None


def top_level(tokens: list[str], word: str) -> int | None:
    """Find a keyword outside all parentheses."""
    depth = 0
    for position, piece in enumerate(tokens):
        depth += (piece == "(") - (piece == ")")
        if depth == 0 and piece.upper() == word:
            return position
    return None


def closing(tokens: list[str], opening: int) -> int:
    """Find the parenthesis that closes this one."""
    depth = 0
    for position in range(opening, len(tokens)):
        depth += (tokens[position] == "(") - (tokens[position] == ")")
        if depth == 0:
            return position
    raise ValueError(f"a parenthesis is not closed in: {' '.join(tokens)}")


def operand_end(tokens: list[str], start: int) -> int:
    """Where what starts here ends: a piece, a dotted name, a call or a parenthesis."""
    if tokens[start] == "(":
        return closing(tokens, start) + 1
    end = start + 1
    while end + 1 < len(tokens) and tokens[end] == ".":
        end += 2
    if end < len(tokens) and tokens[end] == "(":
        return closing(tokens, end) + 1
    return end


def operand_start(tokens: list[str], last: int) -> int:
    """Where what ends here starts: the mirror of `operand_end`."""
    start = last
    if tokens[last] == ")":
        depth = 0
        while True:
            depth += (tokens[start] == ")") - (tokens[start] == "(")
            if depth == 0:
                break
            start -= 1
        if start and re.fullmatch(r"\w+", tokens[start - 1]):
            start -= 1
    while start > 1 and tokens[start - 1] == ".":
        start -= 2
    return start


def split_at_commas(tokens: list[str]) -> list[list[str]]:
    """Cut at the commas outside all parentheses."""
    found: list[list[str]] = [[]]
    depth = 0
    for piece in tokens:
        depth += (piece == "(") - (piece == ")")
        if piece == "," and depth == 0:
            found.append([])
        else:
            found[-1].append(piece)
    return found


def _unescaped(text: str) -> str:
    text = text.replace("''", "'")
    return re.sub(r"\\(.)", lambda match: _ESCAPED.get(match[1], match[1]), text, flags=re.DOTALL)
