"""Routes of what people ask for: kill, retry, run now, skip, backfill, pause, versions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from application_manager.api.guard import Operator, Viewer
from application_manager.api.instants import Instant
from application_manager.api.jobs import JobId
from application_manager.api.parts import PartsDep
from application_manager.api.schedules import InstanceId
from application_manager.asks import WOULD_RUN, Ask

router = APIRouter(prefix="/api/v1", tags=["requests"])
Version = Annotated[int, Query(ge=1, lt=2**31)]


class Body(BaseModel):
    """What a body may hold, and nothing else."""

    model_config = ConfigDict(extra="forbid")


class Force(Body):
    """`forced` starts beside what still runs, whatever the overlap policy says."""

    forced: bool = False


class Skip(Body):
    """Which due time to skip; the next one by default."""

    due: Instant | None = None


class Range(Body):
    """Due times t with after < t <= until; with `preview` nothing is asked for."""

    after: Instant
    until: Instant
    preview: bool = True
    forced: bool = False


class Pause(Body):
    """Why."""

    reason: str = Field(min_length=1, max_length=500)


class Rollback(Body):
    """The version to go back to."""

    version: int = Field(ge=1, lt=2**31)


@router.post("/jobs/{job_id}/kill", status_code=202)
def kill(job_id: JobId, parts: PartsDep, actor: Operator) -> dict[str, Any]:
    """Ask for a job to be stopped; 409 when it has ended already."""
    return {"request": parts.asks.of_job(job_id, "kill", actor)}


@router.post("/jobs/{job_id}/retry", status_code=202)
def retry(
    job_id: JobId, parts: PartsDep, actor: Operator, force: Force | None = None
) -> dict[str, Any]:
    """Ask for a job that ended badly to be tried again, as the same job."""
    forced = force.forced if force else False
    return {"request": parts.asks.of_job(job_id, "retry", actor, forced=forced)}


@router.post("/schedules/{instance_id}/run", status_code=202)
def run(
    instance_id: InstanceId, parts: PartsDep, actor: Operator, force: Force | None = None
) -> dict[str, Any]:
    """Ask for a run now; the request's detail names its jobs."""
    ask = Ask("run", instance_id, forced=force.forced if force else False)
    return {"request": parts.asks.of_instance(ask, actor)}


@router.post("/schedules/{instance_id}/skip", status_code=202)
def skip(
    instance_id: InstanceId, parts: PartsDep, actor: Operator, which: Skip | None = None
) -> dict[str, Any]:
    """Ask for the next due time (or the given one) to be skipped."""
    ask = Ask("skip", instance_id, due=which.due if which else None)
    return {"request": parts.asks.of_instance(ask, actor)}


@router.post("/schedules/{instance_id}/backfill", status_code=202)
def backfill(
    instance_id: InstanceId, span: Range, parts: PartsDep, actor: Operator
) -> dict[str, Any]:
    """Run due times of a range that have no job; by default only tell which."""
    items = parts.asks.preview_backfill(instance_id, span.after, span.until)
    if span.preview:
        return {"items": items, "requests": []}
    dues: list[datetime] = [each["due"] for each in items if each["verdict"] == WOULD_RUN]
    keys = parts.asks.backfill(instance_id, dues, actor, forced=span.forced)
    return {"items": items, "requests": keys}


@router.get("/requests/{key}")
def outcome(
    key: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")], parts: PartsDep, _: Viewer
) -> dict[str, Any]:
    """Tell what the scheduler made of a request."""
    return parts.asks.outcome_of(key)


@router.post("/schedules/{instance_id}/pause")
def pause(
    instance_id: InstanceId, why: Pause, parts: PartsDep, actor: Operator
) -> dict[str, Any]:
    """Pause an instance: its due times become SKIPPED(paused)."""
    parts.schedules.pause(instance_id, actor, paused=True, reason=why.reason)
    return {"instance": instance_id, "state": "paused"}


@router.post("/schedules/{instance_id}/resume")
def resume(instance_id: InstanceId, parts: PartsDep, actor: Operator) -> dict[str, Any]:
    """Let an instance go on with its next due time."""
    parts.schedules.pause(instance_id, actor, paused=False, reason=None)
    return {"instance": instance_id, "state": "active"}


@router.get("/schedules/{instance_id}/history")
def history(instance_id: InstanceId, parts: PartsDep, _: Viewer) -> dict[str, Any]:
    """List the versions of an instance, newest first."""
    return {"items": parts.versions.history(instance_id), "next_cursor": None}


@router.get("/schedules/{instance_id}/diff")
def diff(
    instance_id: InstanceId, old: Version, new: Version, parts: PartsDep, _: Viewer
) -> dict[str, Any]:
    """Tell how two versions differ."""
    return {"items": parts.versions.compare(instance_id, old, new), "next_cursor": None}


@router.post("/schedules/{instance_id}/rollback")
def rollback(
    instance_id: InstanceId, to: Rollback, parts: PartsDep, actor: Operator
) -> dict[str, Any]:
    """Apply an old version again, as a new one."""
    return {"instance": instance_id,
            "version": parts.versions.roll_back(instance_id, to.version, actor)}  # fmt: skip
