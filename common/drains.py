"""What a drain does to the jobs of a node, in words: the same at the prompt and on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from common.jobs import JobState

THERE = (JobState.STARTING, JobState.RUNNING, JobState.STOPPING, JobState.UNKNOWN)
"""The states of a job that is, or may be, on its node."""
MOST_NAMED = 5
MOST_COUNTED = 10_000

Jobs = Sequence[Mapping[str, Any]]


def impact_of(node: str, mode: str, jobs: Jobs) -> str:
    """Say what a drain does to the jobs that are on a node."""
    told = who_is_there(node, jobs)
    return f"{told}\n{fate_of(mode, jobs)}" if jobs else told


def who_is_there(node: str, jobs: Jobs) -> str:
    """Name some of a node's jobs and count the rest."""
    if not jobs:
        return f"{node} has no jobs now"
    names = ", ".join(str(job["job_id"]) for job in jobs[:MOST_NAMED])
    more = f" and {len(jobs) - MOST_NAMED} more" if len(jobs) > MOST_NAMED else ""
    return f"{len(jobs)} {'job' if len(jobs) == 1 else 'jobs'} on {node}: {names}{more}"


def fate_of(mode: str, jobs: Jobs) -> str:
    """Say what becomes of the jobs; their `stop_at` are texts that sort as their instants do."""
    if not jobs:
        return "nothing runs there that it could touch"
    stops = [str(job["stop_at"]) for job in jobs if job["stop_at"]]
    ends = f"they go on to their end, {_by_when(len(jobs) - len(stops), stops)}"
    match mode:
        case "force":
            return "all of them are killed"
        case "move":
            return (
                "those with `on_node_lost: reschedule` begin anew on other nodes; "
                f"of the others: {ends}"
            )
        case _:
            return ends


def _by_when(endless: int, stops: Sequence[str]) -> str:
    last = f"at the latest at {max(stops)}" if stops else ""
    without = f"{endless} of them without a stop time" if endless else ""
    return " and ".join(part for part in (last, without) if part)
