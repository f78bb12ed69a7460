"""The calendar that a secret link shows; calendar programs cannot log in."""

from __future__ import annotations

from fastapi import APIRouter, Response

from application_manager.api.guard import Anybody
from application_manager.api.parts import PartsDep
from application_manager.api.problems import ApiError
from application_manager.dashboard.calendar_feed import feed_of
from application_manager.domain.calendar_link import AHEAD, MOST_EVENTS
from application_manager.domain.horizon import Window
from common.schedule import spec_from_json

router = APIRouter(prefix="/api/v1", tags=["calendar"])
_ANSWER = {
    "description": "RFC 5545: the next 30 days, at most 1,000 events, soonest first",
    "content": {"text/calendar": {"schema": {"type": "string"}}},
}


@router.get("/calendar/{link}.ics", response_class=Response, responses={200: _ANSWER})
def calendar(link: str, parts: PartsDep, _: Anybody) -> Response:
    """Give due times to come to whoever has the link; 404 for any other, whatever is wrong."""
    shown = parts.people.by_calendar_link(link)
    if shown is None:
        raise ApiError(404, "no_such_calendar", "there is no such calendar, or it is revoked")
    now = parts.clock.now()
    with parts.screens.transaction() as transaction:
        if shown.instance is not None:
            rows = transaction.all("timeline_schedules", instances=[shown.instance])
        else:
            rows = transaction.all("all_schedules")
    window = Window(now, now + AHEAD)
    soon = [row for row in rows if row["next_due"] and row["next_due"] < window.until]
    soon.sort(key=lambda row: (row["next_due"], row["instance_id"]))
    specs = shown.choose(spec_from_json(row["spec"]) for row in soon)
    headers = {"Content-Disposition": 'inline; filename="rota.ics"', "Cache-Control": "no-store",
               "Referrer-Policy": "no-referrer"}  # fmt: skip
    return Response(
        feed_of(specs, window, MOST_EVENTS), media_type="text/calendar; charset=utf-8",
        headers=headers,
    )  # fmt: skip
