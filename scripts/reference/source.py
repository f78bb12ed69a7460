"""What the pages read in the code itself: the calls that name a metric or a setting."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICES = (
    "scheduler", "deployment_manager", "load_balancer", "node_manager", "application_manager",
)  # fmt: skip
PACKAGES = (*SERVICES, "common", "platform_initializer", "cli", "images")
NOTE = "<!-- Made by `python -m scripts.reference`; change the code or the script, not this. -->"


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield (room, call) for every call in the packages; the platform client is a room of its own.

    The order is that of the files' names and lines, so that pages made twice are equal.
    """
    for room, tree in _trees():
        found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        for call in sorted(found, key=lambda node: (node.lineno, node.col_offset)):
            yield room, call


def texts() -> Iterator[tuple[str, str]]:
    """Yield (room, text) for every text constant in the packages."""
    for room, tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield room, node.value


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table; a bar within a cell is escaped."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return lines


def called(call: ast.Call) -> str:
    """Name the function called, without what it is an attribute of."""
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


@cache
def _trees() -> list[tuple[str, ast.Module]]:
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            is_client = package == "node_manager" and "client" in path.parts
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found.append(("client" if is_client else package, tree))
    return found
