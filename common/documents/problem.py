"""What is wrong with a file, told so that a person finds it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import groupby

MOST_PROBLEMS = 200
MOST_TEXT = 80


@dataclass(frozen=True)
class Problem:
    """One thing wrong. `line` and `column` count from 1; None where there is no place."""

    file: str
    line: int | None
    column: int | None
    path: str
    code: str
    message: str
    hint: str | None = None

    def as_dict(self) -> dict[str, str | int | None]:
        """Give the fixed JSON form (interfaces.md, 1)."""
        return asdict(self)


def bounded(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return each file's problems in the order of the file, without twins.

    At most 200 a file; the last says that there are more.
    """
    ordered = sorted(dict.fromkeys(problems), key=lambda p: (p.file, p.line or 0, p.column or 0))
    told: list[Problem] = []
    for file, group in groupby(ordered, key=lambda problem: problem.file):
        of_file = list(group)
        told += of_file[:MOST_PROBLEMS]
        if len(of_file) > MOST_PROBLEMS:
            more = f"and {len(of_file) - MOST_PROBLEMS} more problems"
            told.append(
                Problem(file, None, None, "", "too_many_problems", more, "mend these first")
            )
    return tuple(told)


def join(path: str, key: str) -> str:
    """Write the path of a key below another; a very long key is cut."""
    shown = shorten(key)
    return f"{path}.{shown}" if path else shown


def shorten(text: str) -> str:
    """Cut a text that would make a message unreadable."""
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}…"
