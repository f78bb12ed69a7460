"""Waiting for what the platform makes of a request, or of a job."""

from __future__ import annotations

import sys
import time
from typing import Any

from cli.api import Api
from cli.errors import CliError, ExitCode
from cli.options import SETTINGS

LOOK_EVERY_S = 0.25
ENDED_WELL = {"SUCCEEDED", "ENDED"}
ENDED = ENDED_WELL | {
    "FAILED", "TIMED_OUT", "CANCELLED", "MISSED", "SKIPPED", "UPSTREAM_FAILED", "LOST",
}  # fmt: skip


def wait_for_outcome(api: Api, key: str) -> dict[str, Any]:
    """Return what the scheduler made of a request; pending after the time is up."""
    deadline = time.monotonic() + SETTINGS.timeout_s
    while True:
        told: dict[str, Any] = api.get(f"/requests/{key}")
        if told["outcome"] != "pending" or time.monotonic() > deadline:
            return told
        time.sleep(LOOK_EVERY_S)


def tell_outcome(done: str, told: dict[str, Any]) -> None:
    """Say that it is done, or raise what the scheduler said instead."""
    if told["outcome"] == "refused":
        raise CliError(f"refused: {told['detail']}", where=told["instance"],
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
        found: dict[str, Any] = api.get(f"/jobs/{job}")
        if found["state"] in ENDED:
            return found
        if deadline is not None and time.monotonic() > deadline:
            raise CliError(f"{job} is still {found['state']}", next_command=f"rota job show {job}",
                           exit_code=ExitCode.UNREACHABLE)  # fmt: skip
        time.sleep(LOOK_EVERY_S * 2)


def judge(found: dict[str, Any]) -> None:
    """Say how a job ended; raise with exit 10 if badly."""
    reason = f" ({found['reason']})" if found["reason"] else ""
    said = f"{found['job_id']} {found['state']}{reason}"
    if found["state"] not in ENDED_WELL:
        raise CliError(said, why=found["detail"], next_command=f"rota job logs {found['job_id']}",
                       exit_code=ExitCode.JOB_FAILED)  # fmt: skip
    print(said, file=sys.stderr)
