"""What forbids to read a file at all."""

from __future__ import annotations


class UnreadableError(ValueError):
    """Nothing can be built of this text; `at` is (line, column) from 1, None without a place."""

    def __init__(
        self, code: str, message: str, *, hint: str | None = None,
        at: tuple[int, int] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.code = code
        self.hint = hint
        self.line = None if at is None else at[0]
        self.column = None if at is None else at[1]


def place_in(text: str, offset: int) -> tuple[int, int]:
    """Return (line, column) of an offset, from 1."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
