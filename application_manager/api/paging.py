"""Cursors: where a page ends, as an opaque text."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Any

from application_manager.api.instants import in_utc
from application_manager.api.problems import ApiError

MOST = 2**63
"""Of a number in a cursor: what the database's widest takes."""


def cursor_of(*parts: object) -> str:
    """Write a cursor; instants as RFC 3339."""
    texts = [part.isoformat() if isinstance(part, datetime) else part for part in parts]
    return base64.urlsafe_b64encode(json.dumps(texts).encode()).decode().rstrip("=")


def read_cursor(text: str, *kinds: type) -> tuple[Any, ...]:
    """Read a cursor; one that is not ours is a 422."""
    try:
        padded = text + "=" * (-len(text) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        return tuple(_part(kind, part) for kind, part in zip(kinds, parts, strict=True))
    except (ValueError, TypeError, binascii.Error, OverflowError) as error:
        raise ApiError(422, "invalid_cursor", "this cursor is not one of ours") from error


def _part(kind: type, part: Any) -> Any:
    if kind is datetime:
        moment = datetime.fromisoformat(part)
        return in_utc(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    if not isinstance(part, kind):
        raise TypeError
    if isinstance(part, int) and abs(part) >= MOST:
        raise OverflowError
    return part
