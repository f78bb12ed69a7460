"""YAML 1.2 core rules on PyYAML's event parser, JSON through `json`: strict, bounded, positioned.

Limits are checked on the stream of events, before anything is built. JSON is a subset of YAML as
far as positions go, so both end in the same tree.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from common.documents.problem import Problem

MOST_BYTES = 256 * 1024
MOST_DEPTH = 20
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})\.[0-9]{1,18}")
_NULLS = {"", "~", "null", "Null", "NULL"}
_BOOLEANS = {"true": True, "True": True, "TRUE": True,
             "false": False, "False": False, "FALSE": False}  # fmt: skip
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Scalar:
    """One value: None, bool, int, float or str, and the text as written."""

    value: object
    text: str
    line: int
    column: int


@dataclass(frozen=True)
class Sequence:
    items: tuple[Node, ...]
    line: int
    column: int


@dataclass(frozen=True)
class Mapping:
    """Keys in the order of the file; each with its own place."""

    entries: tuple[tuple[Scalar, Node], ...]
    line: int
    column: int


Node = Scalar | Sequence | Mapping


@dataclass(frozen=True)
class Document:
    """What was read: a tree, or None and the problems that forbade it."""

    root: Node | None
    problems: tuple[Problem, ...] = ()


class _UnreadableError(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def read_document(payload: bytes | str, file: str) -> Document:
    """Read one YAML or JSON document."""
    try:
        text = _text_of(payload, file)
        is_json = file.endswith(".json") or text.lstrip()[:1] in {"{", "["}
        if is_json and not file.endswith((".yml", ".yaml")):
            _check_json(text, file)
        builder = _Builder(file)
        root = builder.document(_events(text, file))
    except _UnreadableError as error:
        return Document(None, (error.problem,))
    if builder.problems:
        return Document(None, tuple(builder.problems))
    return Document(root)


def _text_of(payload: bytes | str, file: str) -> str:
    raw = payload.encode() if isinstance(payload, str) else payload
    if len(raw) > MOST_BYTES:
        raise _unreadable(file, "too_large", f"{len(raw)} bytes; at most {MOST_BYTES} are read",
                          "split the file")  # fmt: skip
    try:
        return raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        raise _unreadable(
            file, "not_utf8", f"byte {error.start} is not UTF-8", "save the file as UTF-8"
        ) from error


def _check_json(text: str, file: str) -> None:
    """Let `json` refuse what is not JSON; duplicates and depth are found on the events."""

    def refuse(name: str) -> object:
        raise _unreadable(file, "not_json", f"{name} is not JSON", "give a number or leave it out")

    try:
        json.loads(text, parse_constant=refuse, parse_int=str)
    except json.JSONDecodeError as error:
        problem = Problem(file, error.lineno, error.colno, "", "not_json", error.msg)
        raise _UnreadableError(problem) from error
    except RecursionError as error:
        raise _unreadable(file, "too_deep", f"nested over {MOST_DEPTH} levels") from error


def _unreadable(
    file: str, code: str, message: str, hint: str | None = None, mark: Any = None
) -> _UnreadableError:
    line = None if mark is None else mark.line + 1
    column = None if mark is None else mark.column + 1
    return _UnreadableError(Problem(file, line, column, "", code, message, hint))


def _events(text: str, file: str) -> Iterator[Any]:
    depth = documents = 0
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _unreadable(file, "many_documents", "a second document begins here",
                                      "one document a file", event.start_mark)  # fmt: skip
            if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                depth += 1
                if depth > MOST_DEPTH:
                    raise _unreadable(file, "too_deep", f"nested over {MOST_DEPTH} levels",
                                      mark=event.start_mark)  # fmt: skip
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                depth -= 1
            yield event
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = error.problem or "this is not YAML"
        raise _unreadable(file, "not_yaml", message, error.context, mark) from error
    except yaml.YAMLError as error:
        raise _unreadable(file, "not_yaml", str(error).splitlines()[0]) from error


@dataclass
class _Builder:
    """Builds the tree; depth is bounded by `_events`, so recursion is too."""

    file: str
    problems: list[Problem] = field(default_factory=list)

    def document(self, events: Iterator[Any]) -> Node | None:
        root = None
        for event in events:
            if isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent, yaml.AliasEvent)):
                root = self._node(event, events)
        if root is None and not self.problems:
            self.problems.append(Problem(self.file, None, None, "", "empty", "the file is empty"))
        return root

    def _node(self, event: Any, events: Iterator[Any]) -> Node:
        self._refuse_extras(event)
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, line, column)
        if isinstance(event, yaml.SequenceStartEvent):
            items = []
            for inner in events:
                if isinstance(inner, yaml.SequenceEndEvent):
                    break
                items.append(self._node(inner, events))
            return Sequence(tuple(items), line, column)
        text = getattr(event, "value", "")
        is_plain = getattr(event, "style", None) in (None, "") and not isinstance(
            event, yaml.AliasEvent
        )
        return Scalar(_value_of(text) if is_plain else text, text, line, column)

    def _mapping(self, events: Iterator[Any], line: int, column: int) -> Mapping:
        entries: list[tuple[Scalar, Node]] = []
        seen: dict[str, Scalar] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._node(event, events)
            value = self._node(next(events), events)
            if not isinstance(key, Scalar):
                self._add(key.line, key.column, "bad_key", "a key must be one word")
                continue
            if key.text in seen:
                first = seen[key.text].line
                self._add(key.line, key.column, "duplicate_key",
                          f"{key.text!r} stands here twice, first on line {first}")  # fmt: skip
                continue
            if key.text == "<<":
                self._add(key.line, key.column, "merge_key", "merge keys are not read",
                          "use `defaults`")  # fmt: skip
            seen[key.text] = key
            entries.append((key, value))
        return Mapping(tuple(entries), line, column)

    def _refuse_extras(self, event: Any) -> None:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.AliasEvent):
            self._add(line, column, "alias", f"*{event.anchor}: aliases are not read",
                      "write it out, or use `defaults`")  # fmt: skip
        elif getattr(event, "anchor", None):
            self._add(line, column, "anchor", f"&{event.anchor}: anchors are not read",
                      "write it out, or use `defaults`")  # fmt: skip
        if getattr(event, "tag", None):
            self._add(line, column, "tag", f"{event.tag}: tags are not read", "leave it out")

    def _add(
        self, line: int, column: int, code: str, message: str, hint: str | None = None
    ) -> None:
        self.problems.append(Problem(self.file, line, column, "", code, message, hint))


def _value_of(text: str) -> object:
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
