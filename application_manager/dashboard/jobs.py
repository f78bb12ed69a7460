"""Jobs: the list with its filters, and what one job's page is made of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from application_manager.api.guard import Viewer
from application_manager.api.jobs import JobId
from application_manager.api.paging import cursor_of, read_cursor
from application_manager.api.parts import PartsDep
from application_manager.dashboard import journey, words
from application_manager.dashboard.render import View, page, view_of
from application_manager.ledger import NoSuchJobError
from application_manager.newest import Narrow, newest_jobs
from common.db import Row, Transaction
from common.job_words import STATES, reason_words
from common.jobs import TERMINAL, JobState

Json = dict[str, Any]
PAGE = 100
LATE_HOURS = 24
LIVE = tuple(state for state in JobState if state not in TERMINAL)
GROUPS = {
    "live": LIVE,
    "waiting": (JobState.WAITING, JobState.QUEUED),
    "running": (JobState.STARTING, JobState.RUNNING, JobState.STOPPING, JobState.UNKNOWN),
    "failed": (JobState.FAILED, JobState.TIMED_OUT, JobState.LOST, JobState.UPSTREAM_FAILED),
    "missed": (JobState.MISSED,),
    "skipped": (JobState.SKIPPED, JobState.CANCELLED),
    "done": (JobState.SUCCEEDED, JobState.ENDED),
}
STARTED = (*GROUPS["running"][1:], JobState.SUCCEEDED, JobState.ENDED, JobState.CANCELLED,
           *GROUPS["failed"][:3])  # fmt: skip
CHIPS = (
    ("", "All", "jobs", "plan"), ("running", "Running", "running", "run"),
    ("waiting", "Waiting", "waiting", "wait"), ("failed", "Failed", "failed", "bad"),
    ("missed", "Missed", "missed", "miss"), ("skipped", "Skipped, cancelled", "skipped", "quiet"),
    ("done", "Done", "succeeded", "good"),
)  # fmt: skip

_HELD = {JobState.WAITING, JobState.QUEUED}
"""States that ask for a word even where no reason is written down yet."""

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Wish:
    """Which jobs the reader wants to see, as the address says it."""

    show: str = ""
    q: str | None = None
    instance: str | None = None
    node: str | None = None
    hours: int | None = None
    late: bool = False


@router.get("/jobs", response_class=HTMLResponse)
def list_page(
    request: Request,
    parts: PartsDep,
    actor: Viewer,
    *,
    show: Annotated[str, Query(max_length=20)] = "",
    q: Annotated[str | None, Query(max_length=62)] = None,
    instance: Annotated[str | None, Query(max_length=62)] = None,
    node: Annotated[str | None, Query(max_length=64)] = None,
    hours: Annotated[int | None, Query(ge=1, le=24 * 366)] = None,
    late: bool = False,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
) -> HTMLResponse:
    """List the ledger, newest due first."""
    view = view_of(request, parts, actor)
    wish = Wish(show if show in GROUPS else "", q, instance, node, hours, late)
    after = read_cursor(cursor, datetime, str) if cursor else None
    states = GROUPS.get(wish.show, STARTED if late else ())
    narrow = Narrow(states, instance, q, node, after, PAGE + 1)
    with parts.screens.transaction() as transaction:
        rows = newest_jobs(transaction, narrow, **_times(wish, view.now))
        jobs = shown(transaction, view, rows[:PAGE])
    more = None
    if len(rows) > PAGE:
        more = view.url(cursor=cursor_of(rows[PAGE - 1]["due"], rows[PAGE - 1]["job_id"]))
    return page(view, "jobs.html", jobs=jobs, wish=wish, chips=CHIPS, more=more, cursor=cursor)


@router.get("/jobs/{job_id}", response_class=HTMLResponse)
def job_page(job_id: JobId, request: Request, parts: PartsDep, actor: Viewer) -> HTMLResponse:
    """Show one job: its way hop by hop, why here, its output, its events."""
    view = view_of(request, parts, actor)
    with parts.screens.transaction() as transaction:
        row = transaction.one("one_job", job_id=job_id)
        if row is None:
            raise NoSuchJobError(job_id)
        (job,) = shown(transaction, view, [row])
        events = transaction.all("events_of_job", job_id=job_id)
        attempts = [attempt_of(each) for each in transaction.all("attempts_of_job", job_id=job_id)]
        place = {"instance": row["instance_id"], "due": row["due"], "ordinal": row["ordinal"]}
        values = {
            "edges": transaction.all("edges_of_job", job_id=job_id),
            "before": transaction.one("neighbours_before", **place),
            "after": transaction.one("neighbours_after", **place),
        }
    last = attempts[0] if attempts else None
    return page(view, "job.html", job=job, events=events, attempts=attempts, last=last,
                steps=journey.steps_of(job, last, events), is_over=job["state"] in TERMINAL,
                can_kill=job["state"] not in TERMINAL, **values)  # fmt: skip


def shown(transaction: Transaction, view: View, rows: Sequence[Row]) -> list[Json]:
    """Add to rows of the ledger what the screens say of them."""
    zones = zones_of(transaction, view, {row["instance_id"] for row in rows})
    return [
        {**row, "zone": zones.get(row["instance_id"]), "ran_s": ran_s(row, view.now),
         "why": why(row)}
        for row in rows
    ]  # fmt: skip


def zones_of(transaction: Transaction, view: View, instances: Iterable[str]) -> dict[str, str]:
    """Return the schedules' own zones, where the reader wants those."""
    if view.zones.choice != "schedule":
        return {}
    rows = transaction.all("zones_of", instances=sorted(instances))
    return {row["instance_id"]: row["zone"] for row in rows if row["zone"]}


def ran_s(row: Row, now: datetime) -> float | None:
    """Return how long a job ran, or has been running."""
    if row.get("started_at") is None:
        return None
    end = row.get("ended_at") or (now if row["state"] not in TERMINAL else row["started_at"])
    return float(max(0.0, (end - row["started_at"]).total_seconds()))


def why(row: Row) -> str:
    """Say in one line why a job is as it is."""
    reason, state = row.get("reason"), row["state"]
    parts = [reason_words(reason, state) if reason or state not in _HELD else STATES[state]]
    code = row.get("exit_code")
    if code and row["state"] == JobState.FAILED:
        parts.append(f"exit code {code}")
    if row.get("detail"):
        parts.append(str(row["detail"]))
    return " · ".join(part for part in parts if part)


def attempt_of(row: Row) -> Json:
    """Give a deployment's row its candidates and reasons as values."""
    candidates = json.loads(row["explanation"] or "[]")
    return {
        **row,
        "why_not": sorted(json.loads(row["why_not"] or "{}").items()),
        "candidates": sorted(candidates, key=_verdict_order),
    }


def _verdict_order(candidate: Json) -> tuple[int, float, str]:
    order = {"chosen": 0, "more loaded": 1}.get(candidate["verdict"], 2)
    load = candidate.get("load")
    return order, 2.0 if load is None else float(load), str(candidate["node"])


def _times(wish: Wish, now: datetime) -> Json:
    """Late starts are found by looking at all starts of a time, so it is a bounded one."""
    hours = wish.hours or (LATE_HOURS if wish.late else None)
    return {
        "late_ms": words.LATE.total_seconds() * 1000 if wish.late else None,
        "since": now - timedelta(hours=hours) if hours else None,
    }  # fmt: skip
