"""The published JSON Schema of schedule files, generated from `model`.

It tells shapes and words; which keys go together is told by `rota schedule validate` alone.
"""

from __future__ import annotations

import inspect
import json
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from common.schedule.model import FileKeys, Model, Shape

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}
_LIMITS = {list: ("minItems", "maxItems"), int: ("minimum", "maximum"),
           float: ("minimum", "maximum")}  # fmt: skip


def schedule_schema() -> dict[str, Any]:
    """Return the schema as a JSON object."""
    definitions: dict[str, Any] = {}
    root = _mapping(FileKeys, definitions)
    return {"$schema": _DIALECT, "title": "Rota schedule file", **root,
            "$defs": dict(sorted(definitions.items()))}  # fmt: skip


def schedule_schema_text() -> str:
    """Return the schema as it is published, ending in a newline."""
    return json.dumps(schedule_schema(), indent=2, ensure_ascii=False) + "\n"


def _mapping(model: Model, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(model, include_extras=True)
    return {
        "description": " ".join((inspect.getdoc(model) or "").split()),
        "type": "object",
        "properties": {key: _of(hint, definitions) for key, hint in hints.items()},
        "required": sorted(model.__required_keys__),
        "additionalProperties": False,
    }


def _of(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if is_typeddict(hint):
        return _reference(hint, definitions)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        inner, shape = arguments
        return _of(inner, definitions) | _shape(shape, get_origin(inner) or inner)
    if origin in {Union, UnionType}:
        return _any_of([_of(each, definitions) for each in arguments])
    if origin is Literal:
        return {"enum": list(arguments)}
    return _plain(origin or hint, arguments, definitions)


def _plain(kind: Any, arguments: tuple[Any, ...], definitions: dict[str, Any]) -> dict[str, Any]:
    if kind is list:
        return {"type": "array", "items": _of(arguments[0], definitions)}
    if kind is dict:
        return {"type": "object", "additionalProperties": _of(arguments[1], definitions)}
    return {"type": _TYPES[kind]}


def _reference(model: Model, definitions: dict[str, Any]) -> dict[str, Any]:
    if model.__name__ not in definitions:
        definitions[model.__name__] = {}
        definitions[model.__name__] = _mapping(model, definitions)
    return {"$ref": f"#/$defs/{model.__name__}"}


def _any_of(choices: list[dict[str, Any]]) -> dict[str, Any]:
    bare = [choice["type"] for choice in choices if choice.keys() == {"type"}]
    others = [choice for choice in choices if choice.keys() != {"type"}]
    if not bare:
        return {"anyOf": others}
    return {"anyOf": [{"type": bare}, *others]} if others else {"type": bare}


def _shape(shape: Shape, kind: type) -> dict[str, Any]:
    least, most = _LIMITS.get(kind, ("", ""))
    said = {
        "pattern": shape.pattern,
        least: shape.least,
        most: shape.most,
        "description": shape.description,
        "examples": list(shape.examples),
    }
    return {name: value for name, value in said.items() if name and value not in (None, "", [])}
