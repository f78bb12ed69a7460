"""What is wrong with a file, told so that a person finds it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

MOST_PROBLEMS = 200


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


def bounded(problems: list[Problem]) -> tuple[Problem, ...]:
    """Return at most 200 problems, in the order of the file; the last says that there are more."""
    ordered = sorted(problems, key=lambda p: (p.file, p.line or 0, p.column or 0))
    if len(ordered) <= MOST_PROBLEMS:
        return tuple(ordered)
    left = len(ordered) - MOST_PROBLEMS
    more = Problem(
        ordered[-1].file, None, None, "", "too_many_problems", f"and {left} more problems",
        "mend these first",
    )  # fmt: skip
    return (*ordered[:MOST_PROBLEMS], more)
