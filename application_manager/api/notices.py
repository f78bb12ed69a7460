"""Routes of notices: by which channels people are told, and what they were told."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Path, Query
from pydantic import Field, model_validator

from application_manager.api.asks import Body
from application_manager.api.guard import Operator, Viewer
from application_manager.api.paging import cursor_of, read_cursor
from application_manager.api.parts import PartsDep
from application_manager.domain.channels import Channel
from common.schedule import values

router = APIRouter(prefix="/api/v1", tags=["notices"])
_NAME = r"^[a-z0-9][a-z0-9-]{0,61}$"
ChannelName = Annotated[str, Path(pattern=_NAME)]
Kind = Literal["failed", "missed", "late", "overran", "recovered"]
_LAST = 2**62


class NewChannel(Body):
    """Whom to tell of every instance: a `url` to post to or a `mail` address, and of what."""

    name: str = Field(pattern=_NAME)
    url: str | None = Field(default=None, max_length=2000)
    mail: str | None = Field(default=None, max_length=320)
    on: list[Kind] = Field(default=["failed", "missed"], min_length=1, max_length=5)

    @model_validator(mode="after")
    def _has_one_address(self) -> Self:
        if (self.url is None) is (self.mail is None):
            raise ValueError("a channel has a `url` or a `mail` address, and not both")
        if self.url is not None and not re.fullmatch(values.URL, self.url):
            raise ValueError("`url` begins with https:// and has no blank")
        if self.mail is not None and not re.fullmatch(values.MAIL, self.mail):
            raise ValueError("`mail` is one address, such as ops@example.org")
        return self

    def channel(self) -> Channel:
        """Return it as it is kept."""
        return Channel(self.url or f"mailto:{self.mail}", tuple(dict.fromkeys(self.on)), self.name)


class TestOf(Body):
    """Which way to try: a channel by its name, or those of an instance's schedule file."""

    name: str | None = Field(default=None, pattern=_NAME)
    instance: str | None = Field(default=None, min_length=1, max_length=62)

    @model_validator(mode="after")
    def _is_of_one(self) -> Self:
        if (self.name is None) is (self.instance is None):
            raise ValueError("a test is of a channel's `name` or of an `instance`, and not both")
        return self


@router.get("/notices")
def notices(
    parts: PartsDep,
    _: Viewer,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """List what webhooks and mail were told, or could not be told, newest first."""
    before = read_cursor(cursor, int)[0] if cursor else _LAST
    items = parts.channels.told(before, limit)
    more = cursor_of(items[-1]["notice_id"]) if len(items) == limit else None
    return {"items": items, "next_cursor": more}


@router.get("/notices/channels")
def channels(parts: PartsDep, _: Viewer) -> dict[str, Any]:
    """List whom notices go to: the platform's channels by name, then those of schedule files."""
    return {"items": parts.channels.all(), "next_cursor": None}


@router.post("/notices/channels", status_code=201)
def add_channel(given: NewChannel, parts: PartsDep, actor: Operator) -> dict[str, Any]:
    """Tell an address of every instance from now on; 409 if the name is taken."""
    parts.channels.add(given.channel(), actor)
    return {"name": given.name}


@router.delete("/notices/channels/{name}")
def remove_channel(name: ChannelName, parts: PartsDep, actor: Operator) -> dict[str, Any]:
    """Tell a channel nothing more; those of schedule files go with their next apply."""
    parts.channels.remove(name, actor)
    return {"removed": name}


@router.post("/notices/test", status_code=202)
def test_channel(given: TestOf, parts: PartsDep, actor: Operator) -> dict[str, Any]:
    """Send a test notice, tried once; its notices carry the `event_id` that is answered."""
    return {"event_id": parts.channels.test(given.name, given.instance, actor)}
