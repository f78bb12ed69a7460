"""Instances: what each is, when it is due, how it went; versions with their differences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from application_manager.api.guard import Viewer
from application_manager.api.parts import PartsDep
from application_manager.api.schedules import InstanceId
from application_manager.dashboard import family, words
from application_manager.dashboard.jobs import ran_s, shown
from application_manager.dashboard.render import View, page, view_of
from application_manager.domain.plan import flat
from application_manager.newest import pattern_of
from application_manager.schedules import NoSuchInstanceError
from common.db import Row, Transaction
from common.jobs import JobState
from common.schedule import InstanceSpec, compile_schedule, spec_from_json, spec_to_json

Json = dict[str, Any]
PAGE = 60
LAST = 20
LAST_WITHIN = timedelta(days=30)
NEXT = 5
BACK = timedelta(days=1)  # how far a backfill looks back until it is told otherwise

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Bar:
    """One of the last jobs: its height is how long it ran, against the longest of them."""

    job_id: str
    state: str
    tone: str
    height: float
    title: str


@dataclass(frozen=True)
class Difference:
    """One key that differs between a version and the one before."""

    key: str
    old: Any
    new: Any


@router.get("/instances", response_class=HTMLResponse)
def list_page(
    request: Request,
    parts: PartsDep,
    actor: Viewer,
    *,
    q: Annotated[str, Query(max_length=62)] = "",
    show: Annotated[str, Query(max_length=20)] = "",
    after: Annotated[str, Query(max_length=62)] = "",
) -> HTMLResponse:
    """List instances by id, with their last jobs as bars."""
    view = view_of(request, parts, actor)
    with parts.screens.transaction() as transaction:
        rows = transaction.all(
            "list_instances", after=after, pattern=pattern_of(q),
            is_paused={"paused": True, "active": False}.get(show), limit=PAGE + 1,
        )  # fmt: skip
        kept = rows[:PAGE]
        bars = last_bars(transaction, [row["instance_id"] for row in kept], view.now)
        totals = transaction.one("count_instances")
    items = [_item(row, bars.get(row["instance_id"], [])) for row in kept]
    more = view.url(after=kept[-1]["instance_id"]) if len(rows) > PAGE else None
    return page(view, "instances.html", items=items, totals=totals, q=q, show=show, more=more,
                after=after)  # fmt: skip


@router.get("/instances/{instance_id}", response_class=HTMLResponse)
def instance_page(
    instance_id: InstanceId, request: Request, parts: PartsDep, actor: Viewer
) -> HTMLResponse:
    """Show one instance."""
    view = view_of(request, parts, actor)
    with parts.screens.transaction() as transaction:
        row = transaction.one("one_instance", instance=instance_id)
        if row is None:
            raise NoSuchInstanceError(f"there is no instance {instance_id!r}")
        since = view.now - LAST_WITHIN
        last = transaction.all("last_jobs", instances=[instance_id], each=LAST, since=since)
        versions = transaction.all("versions_of", instance=instance_id)
        edges = transaction.all("all_edges")
        jobs = shown(transaction, view, list(reversed(last)))
    item = _item(row, _bars(last, view.now))
    spec: InstanceSpec = item["spec"]
    return page(
        view, "instance.html", item=item, jobs=jobs, next_dues=_next_dues(spec, view, row),
        range=_usual_range(spec, view.now), versions=compared(versions),
        raw=msgspec.json.format(spec_to_json(spec).encode(), indent=2).decode(),
        graph=family.family_of(instance_id, family.edges_from(edges)),
    )  # fmt: skip


def last_bars(
    transaction: Transaction, instances: Sequence[str], now: datetime
) -> dict[str, list[Bar]]:
    """Return the last jobs of some instances as bars, oldest first."""
    by_instance: dict[str, list[Row]] = defaultdict(list)
    since = now - LAST_WITHIN
    for row in transaction.all("last_jobs", instances=instances, each=LAST, since=since):
        by_instance[row["instance_id"]].append(row)
    return {name: _bars(rows, now) for name, rows in by_instance.items()}


def compared(versions: Sequence[Row]) -> list[Json]:
    """Give each version its differences from the one before; newest first."""
    made = [{**row, "spec": spec_from_json(row["spec"]), "differences": []} for row in versions]
    for newer, older in pairwise(made):
        newer["differences"] = differences(older, newer)
    return made


def differences(older: Json, newer: Json) -> list[Difference]:
    """Compare two versions key by key."""
    old = {**flat(older["spec"]), "image": older["image"]}
    new = {**flat(newer["spec"]), "image": newer["image"]}
    keys = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    return [Difference(key, old.get(key), new.get(key)) for key in keys]


def _item(row: Row, bars: Sequence[Bar]) -> Json:
    spec = spec_from_json(row["spec"])
    state = "paused" if row["paused"] else "active"
    return {
        **row, "spec": spec, "words": words.schedule_words(spec), "bars": bars,
        "state": "deleted" if row.get("deleted") else state,
        "is_taken": row["taken_version"] == row["version"],
    }  # fmt: skip


def _bars(rows: Iterable[Row], now: datetime) -> list[Bar]:
    kept = list(rows)
    lengths = [ran_s(row, now) or 0.0 for row in kept]
    longest = max(lengths, default=0.0) or 1.0
    return [_bar(row, length, longest) for row, length in zip(kept, lengths, strict=True)]


def _bar(row: Row, length_s: float, longest_s: float) -> Bar:
    look = words.job_look(row["state"])
    ran = f", {words.span_words(length_s)}" if row["started_at"] else ""
    height = 6 + 18 * length_s / longest_s if row["state"] != JobState.MISSED else 6
    return Bar(row["job_id"], row["state"], look.tone, height,
               f"{row['due']:%d %b %H:%M} UTC: {look.word}{ran}")  # fmt: skip


def _usual_range(spec: InstanceSpec, now: datetime) -> tuple[str, str] | None:
    """Return what a backfill's dialog begins with, in UTC; None without due times of its own."""
    if compile_schedule(spec) is None:
        return None
    return f"{now - BACK:%Y-%m-%dT%H:%M}", f"{now:%Y-%m-%dT%H:%M}"


def _next_dues(spec: InstanceSpec, view: View, row: Row) -> list[Json]:
    calendar = compile_schedule(spec)
    if calendar is None or row["paused"] or row["deleted"]:
        return []
    until = view.now + timedelta(days=366 * 5)
    dues = calendar.due_between(view.now, until, NEXT)
    return [{"due": due, "stop": calendar.stop_time(due)} for due in dues]
