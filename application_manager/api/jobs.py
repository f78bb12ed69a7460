"""Routes of jobs: list, show, why here, logs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from application_manager.api.guard import Viewer
from application_manager.api.paging import cursor_of, read_cursor
from application_manager.api.parts import Parts, PartsDep
from application_manager.ledger import (
    JobFilter,
    attempts_of,
    list_jobs,
    show_job,
    upcoming_jobs,
)
from application_manager.log_reader import NoOutputError, open_log
from common.jobs import JobState
from common.secret import Secret

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
async def logs(
    job_id: JobId,
    parts: PartsDep,
    _: Viewer,
    attempt: Annotated[int | None, Query(ge=1, le=100_000)] = None,
    tail: Annotated[int | None, Query(ge=0, le=100_000)] = None,
    follow: bool = False,
) -> StreamingResponse:
    """Give the output of an attempt (the last one by default), as its machine has it."""
    url = await run_in_threadpool(_log_address, parts, job_id, attempt)
    options = {"follow": "1"} if follow else {}
    options |= {"tail": str(tail)} if tail is not None else {}
    output = await open_log(url, options, parts.client_token or Secret(""), parts.stopping)
    return StreamingResponse(output, media_type="text/plain; charset=utf-8")


def _log_address(parts: Parts, job_id: str, attempt: int | None) -> str:
    with parts.database.transaction() as transaction:
        placed = [each for each in attempts_of(transaction, job_id) if each["node"]]
        chosen = [each for each in placed if attempt in (None, each["attempt"])]
        if not chosen:
            raise NoOutputError(f"{job_id} was not on any machine yet")
        last = chosen[-1]
        node = transaction.one("node_address", node=last["node"])
    if node is None:
        raise NoOutputError(f"{last['node']} is not known any more")
    return f"http://{node['address']}:{node['log_port']}/v1/logs/{job_id}/{last['attempt']}"
