"""Services killed with -9 while jobs are due and running: none lost, none started twice.

Judged by the checker of tests/checker from three accounts that must agree: the ledger, Docker's own
events on each machine, and what the containers themselves wrote there.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.checker.check import check
from tests.checker.history import Due
from tests.e2e.court import following
from tests.e2e.platform import MACHINES, TERMINAL, Platform, wait_for
from tests.e2e.schedules import once, soon

JOBS = 12


@pytest.mark.parametrize(
    "service", ["scheduler", "deployment_manager", "client", "node_manager", "load_balancer"]
)
def test_kill_nine_loses_nothing_and_doubles_nothing(
    platform: Platform, service: str, tmp_path: Path
) -> None:
    instance = f"steady-{service.replace('_', '-')}"
    start = soon(5)
    end = start + timedelta(seconds=2 * JOBS - 1)
    with following(platform, tmp_path) as witness:
        platform.apply(
            once(instance, start, ["run", "60"], interval="2s", duration="5s", overlap="allow",
                 misfire="all", end=end.strftime("%Y-%m-%dT%H:%M:%SZ"))
        )  # fmt: skip
        wait_for("the first to run", lambda: _running(platform, instance))
        for machine in MACHINES if service == "client" else (None,):
            platform.kill_service(service, machine)
        wait_for("all to end", lambda: _all_ended(platform, instance), 120)
        history = witness.history(_dues(instance, start, end))
    assert check(history) == []
    states = {row.state for row in history.rows}
    assert states <= {"ENDED", "SUCCEEDED", "MISSED"}, states
    ran = [row for row in history.rows if row.state != "MISSED"]
    assert len(ran) >= JOBS - 3, "short downtime may cost a job its window, not most of them"


def _running(platform: Platform, instance: str) -> bool:
    return any(job["state"] == "RUNNING" for job in platform.jobs(instance))


def _all_ended(platform: Platform, instance: str) -> bool:
    jobs = platform.jobs(instance)
    return len(jobs) >= JOBS and all(job["state"] in TERMINAL for job in jobs)


def _dues(instance: str, start: datetime, end: datetime) -> list[Due]:
    times = (start + timedelta(seconds=2 * k) for k in range(JOBS))
    return [Due(instance, due, 0, min(due + timedelta(seconds=5), end)) for due in times]
