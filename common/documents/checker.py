"""Checks of one file's tree that any schema needs; what is wrong is collected, never raised.

Each method returns the value, or None after having noted a problem at the node's own place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from common.documents.problem import MOST_PROBLEMS, Problem, join, shorten
from common.documents.tree import Mapping, Node, Scalar, Sequence, Unread

__all__ = ["Checker", "did_you_mean", "join"]


class Checker:
    """Collects the problems of one file. Owned by one thread."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def add(
        self, node: Node | None, path: str, code: str, message: str, *, hint: str | None = None
    ) -> None:
        """Note a problem at a node's place."""
        line = None if node is None else node.line
        column = None if node is None else node.column
        self.problems.append(Problem(self.file, line, column, path, code, message, hint))

    def mapping(
        self,
        node: Node | None,
        path: str,
        known: Collection[str] | None = None,
        required: Iterable[str] = (),
    ) -> dict[str, Node]:
        """Return a mapping's values by key; unknown, missing and null ones are problems.

        An unknown key stands at its own place, a missing one at the mapping's first line.
        """
        if not isinstance(node, Mapping):
            self.wrong_type(node, path, "a mapping (key: value)")
            return {}
        values: dict[str, Node] = {}
        for key, value in node.entries:
            where = join(path, key.text)
            if known is not None and key.text not in known:
                self.add(key, where, "unknown_key", f"unknown key {shorten(key.text)!r}",
                         hint=self._near(key.text, known) or _known(known))  # fmt: skip
            elif isinstance(value, Scalar) and value.value is None:
                self._null(value, where)
            else:
                values[key.text] = value
        present = {key.text for key, _ in node.entries}
        for name in required:
            if name not in present:
                self.missing(node, path, name)
        return values

    def missing(self, node: Node, path: str, name: str) -> None:
        """Note that a mapping lacks a key, at its first line."""
        self.add(node, join(path, name), "missing_key", f"{name!r} is missing",
                 hint=f"add `{name}:`")  # fmt: skip

    def items(self, node: Node, path: str) -> list[tuple[Node, str]]:
        """Return a list's items with their paths; one scalar where a list is meant is taken."""
        if isinstance(node, Scalar | Unread):
            return [(node, path)]
        if isinstance(node, Sequence):
            return [(item, f"{path}[{i}]") for i, item in enumerate(node.items)]
        self.wrong_type(node, path, "a list")
        return []

    def text(self, node: Node, path: str, *, any_scalar: bool = False) -> str | None:
        """Return a text; with `any_scalar` also a number or boolean as it is written."""
        if isinstance(node, Scalar) and node.value is not None:
            if any_scalar or isinstance(node.value, str):
                return node.text
            self.wrong_type(node, path, "text", hint="put it in quotes")
            return None
        self.wrong_type(node, path, "text")
        return None

    def integer(self, node: Node, path: str, low: int, high: int) -> int | None:
        """Return a whole number within [low, high]."""
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, int):
            self.wrong_type(node, path, "a whole number")
            return None
        return value if self._is_within(value, node, path, (low, high)) else None

    def number(self, node: Node, path: str, low: float, high: float) -> float | None:
        """Return a number within [low, high]."""
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.wrong_type(node, path, "a number")
            return None
        return float(value) if self._is_within(value, node, path, (low, high)) else None

    def boolean(self, node: Node, path: str) -> bool | None:
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        self.wrong_type(node, path, "true or false")
        return None

    def choice(self, node: Node, path: str, choices: Collection[str]) -> str | None:
        """Return one of a few words."""
        text = self.text(node, path)
        if text is None or text in choices:
            return text
        hint = self._near(text, choices) or f"one of {', '.join(choices)}"
        self.add(node, path, "bad_value", f"{shorten(text)!r} is not a choice here", hint=hint)
        return None

    def wrong_type(
        self, node: Node | None, path: str, wanted: str, *, hint: str | None = None
    ) -> None:
        """Note that a node is of another kind; of what the reader refused nothing more is said."""
        if isinstance(node, Unread):
            return
        if isinstance(node, Scalar) and node.value is None:
            self._null(node, path)
            return
        self.add(node, path, "wrong_type", f"{wanted} is needed here, not {_kind(node)}",
                 hint=hint or f"give {wanted}")  # fmt: skip

    def _null(self, node: Node, path: str) -> None:
        self.add(node, path, "null", "there is no value here", hint="leave it out for the default")

    def _is_within(
        self, value: float, node: Node, path: str, limits: tuple[float, float]
    ) -> bool:  # fmt: skip
        low, high = limits
        if low <= value <= high:
            return True
        self.add(node, path, "out_of_range", f"{value} is not in {low}..{high}",
                 hint=f"from {low} to {high}")  # fmt: skip
        return False

    def _near(self, word: str, known: Iterable[str]) -> str | None:
        # Looking for the nearest word takes 0.1 ms: not for problems that are never told.
        return did_you_mean(word, known) if len(self.problems) <= 2 * MOST_PROBLEMS else None


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return a hint naming the nearest known word."""
    near = get_close_matches(word[:80], list(known), n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else None


def _known(words: Collection[str]) -> str | None:
    return f"known here: {', '.join(sorted(words))}" if words else None


def _kind(node: Node | None) -> str:
    match node:
        case Mapping():
            return "a mapping"
        case Sequence():
            return "a list"
        case Scalar():
            return repr(node.text[:40])
        case _:
            return "nothing"
