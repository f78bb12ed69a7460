"""The commands that the documents tell people to type, and what a test does with each.

A block says its class after its language: ``sh offline`` is run as it stands, ``sh platform`` is run
against a platform, ``sh checked`` is held against the parser of the command line. A line that ends in
``# exit 3`` is meant to end so; any other comment is for the reader.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
CLASSES = {"offline", "platform", "checked"}
OTHER_LANGUAGES = {"yaml", "json", "text", "mermaid", "sql"}
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_EXIT = re.compile(r"\s+#\s*exit (\d+)\s*$")
_COMMENT = re.compile(r"(^|\s)#\s.*$")
_OURS = ("rota ", "make ")


@dataclass(frozen=True)
class Block:
    """One fenced block: the page it stands on, its line, what follows the fence, its text."""

    page: Path
    line: int
    mark: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def language(self) -> str:
        return self.mark.partition(" ")[0]

    @property
    def kind(self) -> str:
        return self.mark.partition(" ")[2]


@dataclass(frozen=True)
class Command:
    """One command of a block, and the exit code it is meant to have."""

    block: Block
    words: tuple[str, ...]
    exit_code: int = 0

    @property
    def text(self) -> str:
        return shlex.join(self.words)


def pages() -> list[Path]:
    """List the documents, the README first."""
    return [README, *sorted(DOCS.rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """List a page's fenced blocks."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found[1].strip(), found[2])
        for found in _FENCE.finditer(text)
    ]


def commands(block: Block) -> list[Command]:
    """List a block's commands; of the README's unmarked blocks, those of ours."""
    if block.language == "sh":
        lines = block.text.splitlines()
    elif is_of_readme(block):
        lines = [line.removeprefix("$ ") for line in block.text.splitlines()]
        lines = [line for line in lines if line.startswith(_OURS)]
    else:
        return []
    return [command for line in lines if line.strip() for command in _commands_of(block, line)]


def is_of_readme(block: Block) -> bool:
    """Tell whether it is one of the README's plain blocks: those are `checked`."""
    return block.page == README and not block.mark


def all_commands() -> list[Command]:
    """List every command of every page."""
    return [command for page in pages() for block in blocks(page) for command in commands(block)]


def _commands_of(block: Block, line: str) -> Iterator[Command]:
    told = _EXIT.search(line)
    bare = _COMMENT.sub("", line if told is None else line[: told.start()])
    for part in bare.split(" && "):
        words = shlex.split(part)
        if block.kind == "checked":  # there is no shell where a command is run
            words = list(takewhile(lambda word: word not in {"<", ">", "|"}, words))
        if words:
            yield Command(block, tuple(words), int(told[1]) if told else 0)
