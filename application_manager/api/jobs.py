"""Routes of jobs: list, show, why here, logs, kill."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse

from application_manager.api.guard import Operator, Viewer
from application_manager.api.paging import cursor_of, read_cursor
from application_manager.api.parts import PartsDep
from application_manager.api.problems import ApiError
from application_manager.ledger import (
    JobFilter,
    ask_for_job,
    attempts_of,
    list_jobs,
    show_job,
    upcoming_jobs,
)
from application_manager.log_reader import open_log
from common.jobs import JobState

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])
JobId = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,61}\.[0-9TZ_]{16,23}\.[0-9]{1,6}$")]


@router.get("")
def jobs(
    parts: PartsDep,
    _: Viewer,
    *,
    instance: Annotated[str | None, Query(max_length=62)] = None,
    node: Annotated[str | None, Query(max_length=64)] = None,
    state: Annotated[list[JobState] | None, Query()] = None,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    upcoming: bool = False,
) -> dict[str, Any]:
    """List jobs of the ledger, newest due first; `upcoming` tells each schedule's next as well."""
    after = read_cursor(cursor, datetime, str) if cursor else None
    wanted = JobFilter(instance, node, tuple(state or ()), after, limit)
    with parts.database.transaction() as transaction:
        found = list_jobs(transaction, wanted)
        planned = upcoming_jobs(transaction, wanted) if upcoming and not cursor else []
    more = cursor_of(found[-1]["due"], found[-1]["job_id"]) if len(found) == limit else None
    return {"items": found, "upcoming": planned[::-1], "next_cursor": more}


@router.get("/{job_id}")
def show(job_id: JobId, parts: PartsDep, _: Viewer) -> dict[str, Any]:
    """Show one job with its events, attempts and parents."""
    with parts.database.transaction() as transaction:
        return show_job(transaction, job_id)


@router.get("/{job_id}/explain")
def explain(job_id: JobId, parts: PartsDep, _: Viewer) -> dict[str, Any]:
    """Tell why the job is where it is, or why it is nowhere yet."""
    with parts.database.transaction() as transaction:
        job = show_job(transaction, job_id)
    last = job["attempts"][-1] if job["attempts"] else None
    return {
        **{key: job[key] for key in ("job_id", "state", "reason", "detail", "node", "waits_for")},
        "attempt": job["attempt"],
        "candidates": last["candidates"] if last else [],
        "why_not": last["why_not"] if last else {},
        "placed_at": last["placed_at"] if last else None,
    }


@router.get("/{job_id}/logs", response_class=StreamingResponse)
def logs(
    job_id: JobId,
    parts: PartsDep,
    _: Viewer,
    attempt: Annotated[int | None, Query(ge=1, le=100_000)] = None,
    tail: Annotated[int | None, Query(ge=0, le=100_000)] = None,
    follow: bool = False,
) -> StreamingResponse:
    """Give the output of an attempt (the last one by default), as its machine has it."""
    with parts.database.transaction() as transaction:
        placed = [each for each in attempts_of(transaction, job_id) if each["node"]]
        chosen = [each for each in placed if attempt in (None, each["attempt"])]
        if not chosen:
            raise ApiError(404, "no_output", f"{job_id} was not on any machine yet")
        last = chosen[-1]
        node = transaction.one("node_address", node=last["node"])
    if node is None or parts.client_token is None:
        raise ApiError(404, "no_output", f"{last['node']} is not known any more")
    path = f"/v1/logs/{job_id}/{last['attempt']}"
    options = {"follow": "1"} if follow else {}
    options |= {"tail": str(tail)} if tail is not None else {}
    url = f"http://{node['address']}:{node['log_port']}{path}"
    output = open_log(url, options, parts.client_token, parts.stopping)
    return StreamingResponse(output, media_type="text/plain; charset=utf-8",
                             headers={"X-Content-Type-Options": "nosniff"})  # fmt: skip


@router.post("/{job_id}/kill", status_code=202)
def kill(job_id: JobId, parts: PartsDep, actor: Operator) -> dict[str, Any]:
    """Ask for a job to be stopped; 409 when it has ended already."""
    with parts.database.transaction() as transaction:
        job = ask_for_job(transaction, job_id, "kill", actor)
    parts.publish()
    return {"job_id": job_id, "state": job["state"], "requested": "kill"}
