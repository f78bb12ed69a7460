"""The event stream: ``GET /api/v1/stream``, for browsers' EventSource and `rota event tail`.

Events: `hello` (now), `job` (a change of state with the whole job; its id is the stream's),
`nodes` and `services` (the whole list, when something in it changed), `schedules` (ids that were
changed), `reset` (read everything again).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from application_manager.api.guard import Viewer
from application_manager.api.parts import Parts, PartsDep
from application_manager.feed import Feed, Subscription

LOOK_EVERY_S = 1.0
KEEP_ALIVE_S = 15.0
STILL_HERE = b": still here\n\n"
LONGEST_S = 600.0
"""After which a reader comes back by itself, and is asked again who it is."""

router = APIRouter(prefix="/api/v1", tags=["stream"])


@router.get("/stream", response_class=StreamingResponse)
async def stream(
    parts: PartsDep,
    _: Viewer,
    last_event_id: Annotated[str | None, Header(pattern=r"^[0-9]{1,18}$")] = None,
    after: Annotated[int | None, Query(ge=0, lt=10**18)] = None,
) -> StreamingResponse:
    """Stream what changes. Last-Event-ID (or `after`) resumes where a reader was."""
    resume = int(last_event_id) if last_event_id else after
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(parts, parts.feed, resume), media_type="text/event-stream",
                             headers=headers)  # fmt: skip


async def _events(parts: Parts, feed: Feed, resume: int | None) -> AsyncIterator[bytes]:
    subscription = feed.subscribe()
    try:
        for chunk in await run_in_threadpool(feed.greeting):
            yield chunk
        if resume is not None:
            for chunk in await run_in_threadpool(feed.since, resume):
                yield chunk
        async for chunk in _live(parts, subscription):
            yield chunk
    finally:
        feed.unsubscribe(subscription)


async def _live(parts: Parts, subscription: Subscription) -> AsyncIterator[bytes]:
    began = quiet_since = parts.clock.monotonic()
    while not parts.stopping.is_set() and parts.clock.monotonic() - began < LONGEST_S:
        try:
            chunk = await asyncio.wait_for(subscription.queue.get(), LOOK_EVERY_S)
        except TimeoutError:
            if parts.clock.monotonic() - quiet_since < KEEP_ALIVE_S:
                continue
            chunk = STILL_HERE
        if chunk is None:
            return
        quiet_since = parts.clock.monotonic()
        yield chunk
