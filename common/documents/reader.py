"""From bytes to a tree or problems: limits, encoding, and what all formats have in common.

The formats themselves are `yaml_events` and `json_events`; both give one stream of events, on which
every limit is checked before anything is built.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from common.documents.errors import UnreadableError
from common.documents.json_events import json_events
from common.documents.problem import MOST_PROBLEMS, Problem, join, shorten
from common.documents.tree import Event, Flaw, Mapping, Node, Scalar, Sequence, Unread
from common.documents.yaml_events import yaml_events

MOST_BYTES = 256 * 1024
MOST_DEPTH = 20
_JSON_BEGINS = re.compile(r"\s*\{\s*[\"}]")
_YAML_NAMES = (".yml", ".yaml")
_NOT_TEXT = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True)
class Document:
    """What was read, and what is wrong with it.

    `root` is None where there is any problem; `tree` is what could be built all the same, for one
    who wants to tell all that is wrong at once.
    """

    tree: Node | None
    problems: tuple[Problem, ...] = ()

    @property
    def root(self) -> Node | None:
        return None if self.problems else self.tree


def read_document(payload: bytes | str, file: str) -> Document:
    """Read one YAML or JSON document.

    JSON is what is called ``.json``, or what begins like it and is not called ``.yml``.
    """
    builder = _Builder(file)
    try:
        text = _text_of(payload)
        events = json_events(text) if _is_json(text, file) else yaml_events(text)
        root = builder.document(iter(list(_within_depth(events))))
    except UnreadableError as error:
        problem = Problem(file, error.line, error.column, "", error.code, str(error), error.hint)
        return Document(None, (problem,))
    return Document(root, tuple(builder.problems))


def _text_of(payload: bytes | str) -> str:
    try:
        raw = payload.encode() if isinstance(payload, str) else payload
        if len(raw) > MOST_BYTES:
            raise UnreadableError("too_large", f"at most {MOST_BYTES} bytes are read",
                                  hint="split the file")  # fmt: skip
        return raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeError as error:
        start = error.start if isinstance(error, UnicodeDecodeError | UnicodeEncodeError) else 0
        raise UnreadableError(
            "not_utf8", f"byte {start} is not UTF-8", hint="save the file as UTF-8"
        ) from error


def _is_json(text: str, file: str) -> bool:
    name = file.lower()
    if name.endswith(".json"):
        return True
    return not name.endswith(_YAML_NAMES) and _JSON_BEGINS.match(text) is not None


def _within_depth(events: Iterator[Event]) -> Iterator[Event]:
    """Pass events on; raise where they nest too deep. The root is level 1."""
    depth = 0
    for event in events:
        if event.kind in {"mapping", "sequence"}:
            depth += 1
        elif event.kind == "end":
            depth -= 1
        if depth > MOST_DEPTH:
            raise UnreadableError("too_deep", f"nested over {MOST_DEPTH} levels",
                                  at=(event.line, event.column))  # fmt: skip
        yield event


@dataclass
class _Builder:
    """Builds the tree of one file; depth is bounded, so recursion is too. Owned by one thread."""

    file: str
    problems: list[Problem] = field(default_factory=list)

    def document(self, events: Iterator[Event]) -> Node | None:
        first = next(events, None)
        if first is None or (first.is_plain and not first.text and not first.flaws):
            self.problems.append(Problem(self.file, None, None, "", "empty", "the file is empty"))
            return None
        return self._node(first, events, "")

    def _node(self, event: Event, events: Iterator[Event], path: str) -> Node:
        is_unread = self._tell_flaws(event, path)
        match event.kind:
            case "mapping":
                return self._mapping(event, events, path)
            case "sequence":
                return self._sequence(event, events, path)
            case _ if is_unread:
                return Unread(event.line, event.column)
            case _:
                return Scalar(event.value, event.text, event.line, event.column)

    def _tell_flaws(self, event: Event, path: str) -> bool:
        flaws = event.flaws
        if event.kind == "scalar" and _NOT_TEXT.search(event.text):
            flaws += (Flaw("not_text", "this holds a character that is no text", None,
                           makes_unread=True),)  # fmt: skip
        for flaw in flaws:
            self._add(event, path, flaw)
        return any(flaw.makes_unread for flaw in flaws)

    def _sequence(self, begin: Event, events: Iterator[Event], path: str) -> Sequence:
        items: list[Node] = []
        for event in events:
            if event.kind == "end":
                break
            items.append(self._node(event, events, f"{path}[{len(items)}]"))
        return Sequence(tuple(items), begin.line, begin.column)

    def _mapping(self, begin: Event, events: Iterator[Event], path: str) -> Mapping:
        entries: dict[str, tuple[Scalar, Node]] = {}
        for event in events:
            if event.kind == "end":
                break
            where = join(path, event.text)
            key = self._node(event, events, where)
            value = self._node(next(events), events, where)
            flaw = _flaw_of_key(event, key, entries)
            if flaw is not None:
                self._add(event, where, flaw)
            elif isinstance(key, Scalar):
                entries[key.text] = (key, value)
        return Mapping(tuple(entries.values()), begin.line, begin.column)

    def _add(self, event: Event, path: str, flaw: Flaw) -> None:
        # Problems of the same kind without end are told by their first ones.
        if len(self.problems) <= 2 * MOST_PROBLEMS:
            self.problems.append(
                Problem(self.file, event.line, event.column, path, flaw.code, flaw.message,
                        flaw.hint)
            )  # fmt: skip


def _flaw_of_key(event: Event, key: Node, entries: dict[str, tuple[Scalar, Node]]) -> Flaw | None:
    if isinstance(key, Unread):
        return None
    if not isinstance(key, Scalar):
        return Flaw("bad_key", "a key must be one word")
    if key.text == "<<" and event.is_plain:
        return Flaw("merge_key", "merge keys are not read", "use `defaults`")
    if key.text in entries:
        first = entries[key.text][0].line
        return Flaw("duplicate_key",
                    f"{shorten(key.text)!r} stands here twice, first on line {first}",
                    "keep one of them")  # fmt: skip
    return None
