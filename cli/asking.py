"""Waiting for what the platform makes of a request, or of a job."""

from __future__ import annotations

import sys
import time
from typing import Any

from cli.api import Api, path_of
from cli.errors import CliError, ExitCode
from cli.options import SETTINGS
from common.jobs import Reason

LOOK_EVERY_S = 0.25
ENDED_WELL = {"SUCCEEDED", "ENDED"}
ENDED = ENDED_WELL | {
    "FAILED", "TIMED_OUT", "CANCELLED", "MISSED", "SKIPPED", "UPSTREAM_FAILED", "LOST",
}  # fmt: skip


def wait_for_outcome(api: Api, key: str) -> dict[str, Any]:
    """Return what the scheduler made of a request; pending after the time is up."""
    deadline = time.monotonic() + SETTINGS.timeout_s
    while True:
        told: dict[str, Any] = api.get(path_of("requests", key))
        if told["outcome"] != "pending" or time.monotonic() > deadline:
            return told
        time.sleep(LOOK_EVERY_S)


def tell_outcome(done: str, told: dict[str, Any]) -> None:
    """Say that it is done, or raise what the scheduler said instead."""
    if told["outcome"] == "refused":
        raise CliError(f"refused: {told['detail']}", where=told["instance"],
                       next_command=f"rota job list --instance {told['instance']}",
                       exit_code=ExitCode.CONFLICT)  # fmt: skip
    if told["outcome"] == "pending":
        raise CliError(
            "asked for, but the scheduler has not answered yet",
            where=f"request {told['request']}",
            next_command="rota service list",
            exit_code=ExitCode.UNREACHABLE,
        )
    print(done, file=sys.stderr)


def wait_for_end(api: Api, job: str, timeout_s: float | None) -> dict[str, Any]:
    """Return a job once it has ended; raises `CliError` when the time is up."""
    deadline = time.monotonic() + timeout_s if timeout_s is not None else None
    while True:
        found: dict[str, Any] = api.get(path_of("jobs", job))
        if found["state"] in ENDED:
            return found
        if deadline is not None and time.monotonic() > deadline:
            raise _still(found)
        time.sleep(LOOK_EVERY_S * 2)


def _still(found: dict[str, Any]) -> CliError:
    """Tell what is when the time is up: exit 9 when it was for want of a machine, else 7."""
    job, reason = found["job_id"], found["reason"]
    has_no_node = (found["state"], reason) == ("QUEUED", Reason.NO_NODE)
    return CliError(
        f"{job} is still {found['state']}" + (f" ({reason})" if reason else ""),
        where="no machine can take it now" if has_no_node else None,
        next_command=f"rota job explain {job}",
        exit_code=ExitCode.NO_CAPACITY if has_no_node else ExitCode.UNREACHABLE,
    )


def judge(found: dict[str, Any]) -> None:
    """Say how a job ended; raise with exit 10 if badly."""
    reason = f" ({found['reason']})" if found["reason"] else ""
    said = f"{found['job_id']} {found['state']}{reason}"
    if found["state"] not in ENDED_WELL:
        raise CliError(said, why=found["detail"], next_command=f"rota job logs {found['job_id']}",
                       exit_code=ExitCode.JOB_FAILED)  # fmt: skip
    print(said, file=sys.stderr)
