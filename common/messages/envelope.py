"""What every message carries besides its own fields."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

import msgspec

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment with its offset; one without is unreadable."""


def new_message_id() -> str:
    """Return a fresh id for a message."""
    return uuid.uuid4().hex


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=False):
    """The envelope.

    `id` is what consumers drop duplicates by, `time` when it was made (UTC), `cause` the id of the
    message that led to it. All have defaults, since anyone's producer may send the bare fields.
    """

    id: str = msgspec.field(default_factory=new_message_id)
    version: int = 1
    time: Instant | None = None
    cause: str | None = None
