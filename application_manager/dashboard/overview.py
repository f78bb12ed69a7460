"""The overview: one line of health, counts that are links, what runs and what comes next."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from application_manager.api.guard import Viewer
from application_manager.api.parts import PartsDep
from application_manager.dashboard import nodes
from application_manager.dashboard.jobs import LIVE, shown, zones_of
from application_manager.dashboard.render import View, page, view_of
from application_manager.dashboard.services import health_of
from application_manager.dashboard.words import LATE
from common.db import Transaction
from common.jobs import JobState
from common.schedule import compile_schedule, spec_from_json

Json = dict[str, Any]
RUNNING_SHOWN = 8
NEXT_SHOWN = 10
OUTCOMES = (
    ("good", ("SUCCEEDED", "ENDED"), "succeeded or ended"),
    ("quiet", ("SKIPPED", "CANCELLED"), "skipped or cancelled"),
    ("miss", ("MISSED",), "missed"),
    ("bad", ("FAILED", "TIMED_OUT", "LOST", "UPSTREAM_FAILED"), "failed"),
    ("run", tuple(str(state) for state in LIVE), "not over yet"),
)

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Stat:
    """One count that leads to its list."""

    label: str
    figure: int
    icon: str
    tone: str
    href: str
    is_hot: bool = False


@router.get("/", response_class=HTMLResponse)
def overview_page(request: Request, parts: PartsDep, actor: Viewer) -> HTMLResponse:
    """Show how everything is."""
    view = view_of(request, parts, actor)
    with parts.screens.transaction() as transaction:
        tiles = nodes.all_tiles(transaction, parts, view.now)
        hours = _outcomes(transaction, view.now)
        running = transaction.all("running_jobs", limit=RUNNING_SHOWN)
        values = {
            "stats": _stats(transaction, view.now, hours),
            "running": [_with_share(job, view.now) for job in shown(transaction, view, running)],
            "upcoming": next_starts(transaction, view, NEXT_SHOWN),
            "instances": transaction.one("count_instances"),
            "health": health_of(transaction, parts, tiles, view.now),
        }
    return page(view, "overview.html", tiles=tiles, hours=hours, outcomes=OUTCOMES,
                tallest=max([sum(hour["counts"].values()) for hour in hours], default=0),
                **values)  # fmt: skip


def next_starts(transaction: Transaction, view: View, count: int) -> list[Json]:
    """Return the next due times of all schedules together, soonest first."""
    rows = transaction.all("soonest_schedules", now=view.now, limit=count)
    zones = zones_of(transaction, view, {row["instance_id"] for row in rows})
    heap = [(row["next_due"], row["instance_id"], spec_from_json(row["spec"])) for row in rows]
    starts: list[Json] = []
    while heap and len(starts) < count:
        due, name, spec = heapq.heappop(heap)
        calendar = compile_schedule(spec)
        if calendar is None:
            continue
        starts.append({"instance_id": name, "due": due, "stop": calendar.stop_time(due),
                       "machine": spec.machine, "instances": spec.instances,
                       "zone": zones.get(name)})  # fmt: skip
        following = calendar.next_due(due)
        if following is not None:
            heapq.heappush(heap, (following, name, spec))
    return starts


def _with_share(job: Json, now: datetime) -> Json:
    """Add how far a running job is on its way to its stop time."""
    start, stop = job["started_at"], job["stop_at"]
    if start is None or stop is None or stop <= start:
        return {**job, "share": None}
    return {**job, "share": (now - start).total_seconds() / (stop - start).total_seconds()}


def _outcomes(transaction: Transaction, now: datetime) -> list[Json]:
    """Count the outcomes of the last 24 hours, hour by hour, the running one last."""
    since = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=23)
    rows = transaction.all("outcomes_by_hour", states=tuple(JobState), since=since, until=now)
    hours: list[Json] = [
        {"begin": since + timedelta(hours=n), "counts": dict.fromkeys((o[0] for o in OUTCOMES), 0),
         "late": 0}
        for n in range(24)
    ]  # fmt: skip
    for row in rows:
        hour = hours[int(row["hour"])]
        hour["late"] += int(row["late"] or 0)
        for tone, states, _ in OUTCOMES:
            if row["state"] in states:
                hour["counts"][tone] += row["jobs"]
    return hours


def _stats(transaction: Transaction, now: datetime, hours: Sequence[Json]) -> list[Stat]:
    live = {row["state"]: row["jobs"] for row in transaction.all("live_counts", states=LIVE)}
    soon = transaction.one("due_soon", now=now, until=now + timedelta(hours=1))
    late = transaction.one("late_now", before=now - LATE)
    due, behind = (soon or {}).get("schedules", 0), (late or {}).get("jobs", 0)
    running = sum(live.get(state, 0) for state in ("STARTING", "RUNNING", "STOPPING", "UNKNOWN"))
    waiting = sum(live.get(state, 0) for state in ("WAITING", "QUEUED"))
    failed = sum(hour["counts"]["bad"] for hour in hours)
    missed = sum(hour["counts"]["miss"] for hour in hours)
    slow = sum(hour["late"] for hour in hours)
    return [
        Stat("running", running, "running", "run", "/jobs?show=running"),
        Stat("due next hour", due, "planned", "plan", "/timeline?view=table&hours=1"),
        Stat("waiting", waiting, "waiting", "wait", "/jobs?show=waiting"),
        Stat("behind now", behind, "late", "warn", "/jobs?show=waiting", behind > 0),
        Stat("late starts, 24 h", slow, "late", "warn", "/jobs?late=true&hours=24"),
        Stat("failed, 24 h", failed, "failed", "bad", "/jobs?show=failed&hours=24", failed > 0),
        Stat("missed, 24 h", missed, "missed", "miss", "/jobs?show=missed&hours=24", missed > 0),
    ]
