"""YAML 1.2 core rules on PyYAML's event parser: no tags, no anchors, one document.

Plain ``safe_load`` reads ``13:00`` as 780 and ``on`` as true; here words that look like numbers of
older rules (``010``, ``1e3``, ``0x1F``) stay text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from common.documents.errors import UnreadableError, place_in
from common.documents.problem import shorten
from common.documents.tree import Event, Flaw

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})")
_FLOAT = re.compile(r"[-+]?((0|[1-9][0-9]{0,18})\.[0-9]{0,18}|\.[0-9]{1,18})")
_NULLS = {"", "~", "null", "Null", "NULL"}
_BOOLEANS = {"true": True, "True": True, "TRUE": True,
             "false": False, "False": False, "FALSE": False}  # fmt: skip
# YAML 1.2, 5.1: the characters a stream may hold.
_NOT_PRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)  # fmt: skip
_WRITE_IT_OUT = "write it out, or use `defaults`"


def yaml_events(text: str) -> Iterator[Event]:
    """Yield the events of one document; raise `UnreadableError`."""
    wrong = _NOT_PRINTABLE.search(text)
    if wrong is not None:
        raise UnreadableError("not_yaml", f"the character U+{ord(wrong[0]):04X} may not stand here",
                              at=place_in(text, wrong.start()))  # fmt: skip
    try:
        yield from _events(text)
    except yaml.MarkedYAMLError as error:
        raise _translated(error) from error
    except yaml.YAMLError as error:
        raise UnreadableError("not_yaml", str(error).splitlines()[0]) from error


def _events(text: str) -> Iterator[Event]:
    documents = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise UnreadableError("many_documents", "a second document begins here",
                                      hint="one document a file",
                                      at=_place(event.start_mark))  # fmt: skip
        found = _event(event)
        if found is not None:
            yield found


def _event(event: Any) -> Event | None:
    line, column = _place(event.start_mark)
    match event:
        case yaml.ScalarEvent():
            is_plain = event.style in (None, "")
            value = _value_of(event.value) if is_plain else event.value
            return Event("scalar", line, column, event.value, value, is_plain, _flaws(event))
        case yaml.MappingStartEvent():
            return Event("mapping", line, column, flaws=_flaws(event))
        case yaml.SequenceStartEvent():
            return Event("sequence", line, column, flaws=_flaws(event))
        case yaml.CollectionEndEvent():
            return Event("end", line, column)
        case yaml.AliasEvent():
            name = shorten(event.anchor or "")
            flaw = Flaw("alias", f"*{name}: aliases are not read", _WRITE_IT_OUT,
                        makes_unread=True)  # fmt: skip
            return Event("scalar", line, column, f"*{name}", flaws=(flaw,))
        case _:
            return None


def _flaws(event: Any) -> tuple[Flaw, ...]:
    if not event.anchor and not event.tag:
        return ()
    flaws: list[Flaw] = []
    if event.anchor:
        message = f"&{shorten(event.anchor)}: anchors are not read"
        flaws.append(Flaw("anchor", message, _WRITE_IT_OUT))
    if event.tag:
        message = f"{shorten(event.tag)}: tags are not read"
        flaws.append(Flaw("tag", message, "leave it out", makes_unread=True))
    return tuple(flaws)


def _translated(error: Any) -> UnreadableError:
    mark = error.problem_mark or error.context_mark
    at = None if mark is None else _place(mark)
    message = error.problem or "this is not YAML"
    if "nesting depth" in message:
        return UnreadableError("too_deep", message, at=at)
    return UnreadableError("not_yaml", message, hint=error.context, at=at)


def _place(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1


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
