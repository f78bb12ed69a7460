"""Values on their way into `common.db.memory` and out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

from common.db import Row
from common.db.dialect_functions import instant_of, text_of
from common.db.queries import Statement


def expanded(statement: Statement, parameters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Put lists into the text as ``(a, b, c)``; the rest stays a parameter."""
    text, values = statement.text, {}
    for name, value in parameters.items():
        if not isinstance(value, (list, tuple, set, frozenset)):
            values[name] = _stored(value)
            continue
        names = [f"{name}__{number}" for number in range(len(value))]
        listed = ", ".join(f"%({each})s" for each in names) or "NULL"
        text = text.replace(f"%({name})s", f"({listed})")
        values |= {each: _stored(one) for each, one in zip(names, value, strict=True)}
    for missing in set(statement.parameters) - set(parameters):
        raise KeyError(missing)
    return text, values


def _stored(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError(f"a datetime without zone as parameter: {value}")
        return text_of(value)
    return value


def row_of(names: Sequence[str], values: Sequence[Any]) -> Row:
    return {name: instant_of(value) or value for name, value in zip(names, values, strict=True)}
