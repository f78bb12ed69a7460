"""Upload: a schedule file checked, planned and shown before anything is applied."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse

from application_manager.api.guard import Viewer
from application_manager.api.parts import PartsDep
from application_manager.api.schedules import next_dues
from application_manager.capacity import effect_of
from application_manager.dashboard import words
from application_manager.dashboard.instances import differences
from application_manager.dashboard.render import page, view_of
from application_manager.domain.plan import Change, Kind, Plan
from application_manager.schedules import InvalidFilesError, Upload
from common.db import Row
from common.documents import Problem
from common.schedule import spec_from_json

Json = dict[str, Any]
MOST_TEXT = 300_000
MOST_NAME = 255
ORDER = {Kind.ADDED: 0, Kind.CHANGED: 1, Kind.REMOVED: 2, Kind.UNCHANGED: 3}
LOOKS = {Kind.ADDED: ("good", "plus"), Kind.CHANGED: ("warn", "retry"),
         Kind.REMOVED: ("bad", "minus"), Kind.UNCHANGED: ("quiet", "check")}  # fmt: skip

router = APIRouter(include_in_schema=False)


@router.get("/upload", response_class=HTMLResponse)
def upload_page(request: Request, parts: PartsDep, actor: Viewer) -> HTMLResponse:
    """Ask for a file or a text."""
    return page(view_of(request, parts, actor), "upload.html", example=EXAMPLE)


@router.post("/upload/plan", response_class=HTMLResponse)
def plan_fragment(
    request: Request,
    parts: PartsDep,
    actor: Viewer,
    *,
    text: Annotated[str, Form(max_length=MOST_TEXT)] = "",
    name: Annotated[str, Form(max_length=MOST_NAME)] = "upload.yml",
    prune: Annotated[bool, Form()] = False,
) -> HTMLResponse:
    """Answer with every problem at its line, or with the plan."""
    view = view_of(request, parts, actor)
    upload = Upload(((name, text),), prune)
    try:
        plan = parts.schedules.plan(upload)
    except InvalidFilesError as error:
        lines = numbered(text, error.problems)
        return page(view, "problems.html", problems=error.problems, lines=lines, name=name)
    changed = [each.instance_id for each in plan.changes if each.kind is Kind.CHANGED]
    with parts.screens.transaction() as transaction:
        before = {row["instance_id"]: row for row in transaction.all("specs_of", instances=changed)}
    changes = [_change(change, before.get(change.instance_id), view.now) for change in plan.changes]
    changes.sort(key=lambda change: (ORDER[change["kind"]], change["instance_id"]))
    effect = effect_of(parts.database, plan, view.now)
    return page(view, "plan.html", plan=plan, changes=changes, counts=_counts(plan), looks=LOOKS,
                effect=effect, cancelled=plan.cancelled_jobs)  # fmt: skip


def numbered(text: str, problems: tuple[Problem, ...]) -> list[Json]:
    """Return the lines of a file with the problems that stand on each.

    Of a long file only the lines within three of a problem; `is_cut` where some are left out.
    """
    at: dict[int, list[Problem]] = defaultdict(list)
    for problem in problems:
        if problem.line:
            at[problem.line].append(problem)
    lines = text.splitlines()
    near = {n + d for n in at for d in range(-3, 4)}
    is_long = len(lines) > 120
    shown, last = [], 0
    for number, line in enumerate(lines, 1):
        if is_long and number not in near:
            continue
        shown.append({"number": number, "text": line[:400], "problems": at.get(number, []),
                      "is_cut": number != last + 1})  # fmt: skip
        last = number
    return shown


def _change(change: Change, before: Row | None, now: datetime) -> Json:
    """Give a change its words, its next due times and, where it is one, every key that differs."""
    new = {"spec": change.spec, "image": change.image}
    old = {"spec": spec_from_json(before["spec"]), "image": before["image"]} if before else new
    return {
        "differences": differences(old, new),
        "kind": change.kind, "instance_id": change.instance_id, "version": change.version,
        "fields": change.fields, "words": words.schedule_words(change.spec), "image": change.image,
        "zone": change.spec.timezone, "next": next_dues(change, now), "spec": change.spec,
    }  # fmt: skip


def _counts(plan: Plan) -> dict[Kind, int]:
    return {kind: sum(change.kind is kind for change in plan.changes) for kind in ORDER}


EXAMPLE = """\
version: 1
timezone: UTC
instances:
  - id: hostel-a-heating
    app: heating-control
    place: hostel-a
    resources: {cpus: 0.5, memory: 128MiB}
    schedule:
      start_time: "08:00"
      end_time: "18:00"
      days: [mon-fri]
      interval: 30m
      duration: 5m
"""
