"""Routes of schedule files and instances."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from application_manager.api.guard import Operator, Viewer
from application_manager.api.paging import cursor_of, read_cursor
from application_manager.api.parts import PartsDep
from application_manager.capacity import effect_of
from application_manager.domain.plan import Change, Kind
from application_manager.schedules import NoSuchInstanceError, Terms, Upload, summary_of
from common.db import Row
from common.schedule import compile_schedule, spec_from_json, spec_to_json

NEXT_DUES = 5
_END = datetime.max.replace(tzinfo=UTC)

router = APIRouter(prefix="/api/v1/schedules", tags=["schedules"])
InstanceId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,61}$")]


class File(BaseModel):
    """One schedule file."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=255)
    text: str = Field(max_length=300_000)


class Files(BaseModel):
    """Schedule files given together; with `prune`, instances that they do not name are removed."""

    model_config = ConfigDict(extra="forbid")

    files: list[File] = Field(min_length=1, max_length=100)
    prune: bool = False

    def upload(self) -> Upload:
        return Upload(tuple((file.name, file.text) for file in self.files), self.prune)


@router.post("/plan")
def plan(files: Files, parts: PartsDep, _: Viewer, response: Response) -> dict[str, Any]:
    """Tell what applying these files would do: each instance's next five due times, the load."""
    made = parts.schedules.plan(files.upload())
    now = parts.clock.now()
    answer = {**summary_of(made), "cancelled_jobs": made.cancelled_jobs}
    for line, change in zip(answer["changes"], made.changes, strict=True):
        line["next"] = next_dues(change, now)
    answer["capacity"] = effect_of(parts.database, made, now)
    response.headers["ETag"] = f'"{made.etag}"'
    return answer


@router.post("/apply")
def apply(
    files: Files,
    parts: PartsDep,
    actor: Operator,
    if_match: Annotated[str | None, Header(max_length=200)] = None,
    idempotency_key: Annotated[str | None, Header(max_length=128)] = None,
) -> dict[str, Any]:
    """Apply these files, all or nothing; with If-Match only as the plan showed it."""
    terms = Terms(if_match.strip('"') if if_match else None, idempotency_key)
    return parts.schedules.apply(files.upload(), actor, terms)


@router.get("")
def list_schedules(
    parts: PartsDep,
    _: Viewer,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> dict[str, Any]:
    """List instances by id."""
    after = read_cursor(cursor, str)[0] if cursor else ""
    with parts.database.transaction() as transaction:
        rows = transaction.all("list_instances", after=after, limit=limit)
    more = cursor_of(rows[-1]["instance_id"]) if len(rows) == limit else None
    return {"items": [instance_view(row) for row in rows], "next_cursor": more}


@router.get("/{instance_id}")
def show_schedule(instance_id: InstanceId, parts: PartsDep, _: Viewer) -> dict[str, Any]:
    """Show one instance with all its file says and its next due times."""
    with parts.database.transaction() as transaction:
        row = transaction.one("show_instance", instance_id=instance_id)
    if row is None or row["deleted"]:
        raise NoSuchInstanceError(f"there is no instance {instance_id!r}")
    spec = spec_from_json(row["spec"])
    change = Change(Kind.UNCHANGED, instance_id, row["version"], spec, row["image"], ())
    view = instance_view(row)
    view["next"] = [] if row["paused"] else next_dues(change, parts.clock.now())
    view["spec"] = msgspec.json.decode(spec_to_json(spec))
    return view


@router.delete("/{instance_id}")
def delete_schedule(
    instance_id: InstanceId, parts: PartsDep, actor: Operator, *, cascade: bool = False
) -> dict[str, Any]:
    """Delete an instance and stop its jobs. `cascade` takes its dependents too."""
    return {"removed": parts.schedules.delete(instance_id, actor, cascade=cascade)}


def next_dues(change: Change, now: datetime) -> list[dict[str, datetime | None]]:
    """Return the next five due times with their stops; none for what is removed."""
    calendar = compile_schedule(change.spec)
    if calendar is None or change.kind is Kind.REMOVED:
        return []
    dues = calendar.due_between(now, _END, NEXT_DUES)
    return [{"due": due, "stop": calendar.stop_time(due)} for due in dues]


def instance_view(row: Row) -> dict[str, Any]:
    """Give a row of the list its public form."""
    spec = spec_from_json(row["spec"])
    return {
        "instance": row["instance_id"],
        "state": "paused" if row["paused"] else "active",
        "version": row["version"],
        "next_due": None if row["paused"] else row["next_due"],
        "next_stop": None if row["paused"] else row["next_stop"],
        "app": spec.app,
        "image": row["image"],
        "form": spec.schedule.form if spec.schedule else None,
        "timezone": spec.timezone,
        "machine": spec.machine,
        "instances": spec.instances,
        "place": spec.place,
        "depends_on": [edge.instance for edge in spec.depends_on],
        "applied_at": row["applied_at"],
        "applied_by": row["applied_by"],
        "paused_by": row["paused_by"],
        "pause_reason": row["pause_reason"],
        "is_taken": row["taken_version"] == row["version"],
    }
