"""Services killed with -9 while jobs are due and running: none lost, none started twice.

Judged by the checker of tests/checker from two accounts that must agree: the ledger, and Docker's
own events on each machine.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.checker.check import check
from tests.checker.history import DockerRun, Due, History, Move, Row, Run
from tests.e2e.platform import MACHINES, TERMINAL, DockerWitness, Platform, following, now, wait_for
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
        history = _history(platform, witness, instance, start)
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


def _history(
    platform: Platform, witness: DockerWitness, instance: str, start: datetime
) -> History:
    jobs = platform.jobs(instance)
    dues = tuple(
        Due(instance, due, 0, min(due + timedelta(seconds=5), _last_end(start)))
        for due in (start + timedelta(seconds=2 * k) for k in range(JOBS))
    )
    docker = tuple(_docker_runs(witness, instance))
    runs = tuple(
        Run(r.job_id, r.attempt, r.container, r.node, r.started_at, r.died_at) for r in docker
    )
    moves = tuple(
        Move(job["job_id"], event["from_state"], event["to_state"])
        for job in jobs
        for event in platform.json("job", "show", job["job_id"])["events"]
    )
    return History(dues, tuple(_row(job) for job in jobs), runs, docker, moves, now())


def _last_end(start: datetime) -> datetime:
    return start + timedelta(seconds=2 * JOBS - 1)


def _row(job: dict[str, object]) -> Row:
    def moment(key: str) -> datetime | None:
        return datetime.fromisoformat(str(job[key])) if job[key] else None

    due = moment("due")
    assert due is not None
    return Row(
        str(job["job_id"]), str(job["instance"]), due, int(str(job["ordinal"])),
        str(job["state"]), job["reason"], int(str(job["attempt"])), job["node"],  # type: ignore[arg-type]
        moment("started_at"), moment("ended_at"),
    )  # fmt: skip


def _docker_runs(witness: DockerWitness, instance: str) -> list[DockerRun]:
    found: dict[str, DockerRun] = {}
    for machine, event in witness.events():
        labels = event["Actor"]["Attributes"]
        if labels["io.rota.instance"] != instance:
            continue
        moment = datetime.fromtimestamp(event["timeNano"] / 1e9, tz=now().tzinfo)
        container = event["Actor"]["ID"]
        if event["Action"] == "start":
            # A second start of one container (its restart policy) would show as a second run.
            key = container if container not in found else f"{container}-again"
            found[key] = DockerRun(
                labels["io.rota.job"], int(labels["io.rota.attempt"]), key, machine, moment
            )
        elif container in found:
            run = found[container]
            found[container] = DockerRun(
                run.job_id, run.attempt, run.container, run.node, run.started_at, moment
            )
    return list(found.values())
