"""The timeline: past and future on one axis. Rows and tiles for drawing, the table, the feed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from application_manager.api.guard import Viewer
from application_manager.api.parts import PartsDep
from application_manager.dashboard import calendar_feed
from application_manager.dashboard.curve import CurveReader
from application_manager.dashboard.jobs import shown
from application_manager.dashboard.overview import next_starts
from application_manager.dashboard.render import page, view_of
from application_manager.domain.horizon import Horizon, Window, horizon_of
from application_manager.newest import Narrow, newest_jobs, pattern_of
from common.db import Row, Transaction
from common.schedule import spec_from_json

Json = dict[str, Any]
PAST, FUTURE = timedelta(hours=24), timedelta(days=7)
MOST_ROWS = 64
MOST_JOBS = 1_500  # of a tile drawn one by one; more are counted into bins
BIN_PIXELS = 6
TABLE_ROWS = 100
Ids = Annotated[list[str], Query(alias="row", max_length=MOST_ROWS)]
By = Literal["instance", "node"]

router = APIRouter(include_in_schema=False)
_curves = CurveReader()


@dataclass(frozen=True)
class Tile:
    """A part of the timeline: some rows, a window, and how many seconds a pixel is."""

    rows: Sequence[str]
    window: Window
    pixel_s: float

    @property
    def parameters(self) -> Json:
        return {"instances": list(self.rows), "nodes": list(self.rows),
                "since": self.window.since, "until": self.window.until}  # fmt: skip


@router.get("/timeline", response_class=HTMLResponse)
def timeline_page(
    request: Request,
    parts: PartsDep,
    actor: Viewer,
    *,
    view: Literal["chart", "table"] = "chart",
    by: By = "instance",
    q: Annotated[str, Query(max_length=62)] = "",
) -> HTMLResponse:
    """Show the timeline, or its table."""
    seen = view_of(request, parts, actor)
    if view == "chart":
        return page(seen, "timeline.html", by=by, q=q, past_s=int(PAST.total_seconds()),
                    future_s=int(FUTURE.total_seconds()))  # fmt: skip
    with parts.screens.transaction() as transaction:
        starts = next_starts(transaction, seen, TABLE_ROWS)
        narrow = Narrow(word=q or None, limit=TABLE_ROWS)
        rows = newest_jobs(transaction, narrow, since=seen.now - PAST, late_ms=None)
        jobs = shown(transaction, seen, rows)
    starts = [start for start in starts if q in start["instance_id"]]
    return page(seen, "timeline_table.html", by=by, q=q, starts=starts, jobs=jobs)


@router.get("/timeline/rows.json")
def rows(
    parts: PartsDep,
    _: Viewer,
    by: By = "instance",
    q: Annotated[str, Query(max_length=62)] = "",
) -> Json:
    """List the rows, and the present moment by the platform's clock."""
    with parts.screens.transaction() as transaction:
        if by == "node":
            names = [row["node_id"] for row in transaction.all("all_nodes")]
            return {"now": _epoch(parts.clock.now()), "rows": [n for n in names if q in n],
                    "paused": []}  # fmt: skip
        found = transaction.all("timeline_rows", pattern=pattern_of(q))
    return {
        "now": _epoch(parts.clock.now()),
        "rows": [row["instance_id"] for row in found],
        "paused": [index for index, row in enumerate(found) if row["paused"]],
    }


@router.get("/timeline/tile.json")
def tile(
    parts: PartsDep,
    _: Viewer,
    *,
    rows: Ids,
    since: Annotated[float, Query(ge=0, le=4e9)],
    until: Annotated[float, Query(ge=0, le=4e9)],
    pixel_s: Annotated[float, Query(gt=0, le=1e6)] = 60.0,
    by: By = "instance",
) -> Json:
    """Return what there is to be drawn of some rows in a window."""
    now = parts.clock.now()
    wanted = Tile(rows, Window(_instant(since), _instant(max(since, until))), pixel_s)
    with parts.screens.transaction() as transaction:
        if by == "node":
            jobs = transaction.all("timeline_node_jobs", **wanted.parameters, limit=MOST_JOBS)
            return {"now": _epoch(now), "jobs": [_job(job, job["node"]) for job in jobs]}
        future = _future(transaction, wanted, now)
        return {"now": _epoch(now), **_past(transaction, wanted), **future}


@router.get("/timeline/curve.json")
def curve(
    parts: PartsDep,
    _: Viewer,
    since: Annotated[float, Query(ge=0, le=4e9)],
    until: Annotated[float, Query(ge=0, le=4e9)],
) -> Json:
    """Return CPUs asked for and jobs at once, past and planned, against the active nodes' CPUs."""
    window = Window(_instant(since), _instant(min(max(since + 60, until), since + 60 * 86400)))
    return _curves.read(parts, window)


@router.get("/timeline.ics")
def feed(
    parts: PartsDep, _: Viewer, q: Annotated[str, Query(max_length=62)] = ""
) -> Response:
    """Give the next seven days as an iCalendar feed."""
    now = parts.clock.now()
    with parts.screens.transaction() as transaction:
        found = transaction.all("all_schedules")
    found.sort(key=lambda row: (row["next_due"], row["instance_id"]))
    chosen = [spec_from_json(row["spec"]) for row in found if q in row["instance_id"]]
    text = calendar_feed.feed_of(chosen, Window(now, now + FUTURE))
    headers = {"Content-Disposition": 'inline; filename="rota.ics"', "Cache-Control": "no-store"}
    return Response(text, media_type="text/calendar; charset=utf-8", headers=headers)


def _past(transaction: Transaction, wanted: Tile) -> Json:
    """Tell the ledger's jobs one by one, or counted where there are more than can be seen."""
    count = transaction.one("timeline_count", **wanted.parameters)
    if count is None or count["jobs"] <= MOST_JOBS:
        found = transaction.all("timeline_jobs", **wanted.parameters, limit=MOST_JOBS)
        return {"jobs": [_job(job, job["instance_id"]) for job in found]}
    bin_s = max(1, round(wanted.pixel_s * BIN_PIXELS))
    counted = transaction.all("timeline_bins", **wanted.parameters, bin_s=bin_s)
    return {
        "bin_s": bin_s,
        "bins": [
            [row["instance_id"], _epoch(wanted.window.since) + int(row["bin"]) * bin_s,
             row["state"], row["jobs"]]
            for row in counted
        ],
    }  # fmt: skip


def _future(transaction: Transaction, wanted: Tile, now: datetime) -> Json:
    """Tell what is planned in the part of the window that is still to come."""
    window = Window(max(now, wanted.window.since), wanted.window.until)
    if window.since >= window.until:
        return {"planned": [], "bands": []}
    usual = usual_lengths(transaction, now)
    ahead: dict[str, Horizon] = {
        row["instance_id"]: horizon_of(
            spec_from_json(row["spec"]), window, usual.get(row["instance_id"])
        )
        for row in transaction.all("timeline_schedules", instances=list(wanted.rows))
    }
    return {
        "planned": [
            [name, _epoch(planned.due), _epoch(planned.end)]
            for name, horizon in ahead.items() for planned in horizon.planned
        ],
        "bands": [
            [name, _epoch(horizon.band.since), _epoch(horizon.band.until), horizon.band.step_s]
            for name, horizon in ahead.items() if horizon.band
        ],
    }  # fmt: skip


def usual_lengths(transaction: Transaction, now: datetime) -> dict[str, float]:
    """Return how long jobs of each instance ran lately; read anew every few minutes."""
    return _curves.usual.read(transaction, now)


def _job(row: Row, name: str) -> list[Any]:
    """Write a job for the drawing; the order is known to timeline.js."""
    instants = (row["started_at"], row["ended_at"], row["stop_at"])
    other = row["node"] if name == row["instance_id"] else row["instance_id"]
    return [
        name, _epoch(row["due"]), *(_epoch(at) if at else None for at in instants), row["state"],
        row["job_id"], row["ordinal"], row["reason"], other,
        _epoch(row["until"]) if row["until"] else None, row["lateness_ms"],
    ]  # fmt: skip


def _epoch(moment: datetime) -> float:
    return round(moment.timestamp(), 1)


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
