"""What happened to an instance, by the ledger and by Docker on each machine, for the checker."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.checker.history import DockerRun, Due, History, Move, Row, Run
from tests.e2e.platform import DockerWitness, Platform, now, wait_for
from tests.e2e.schedules import once, soon

EVERY_S, LASTS_S = 3, 4


class Steady:
    """An instance that is due every three seconds, each job four seconds long, until told to end."""

    def __init__(self, platform: Platform, name: str, jobs: int) -> None:
        self.platform, self.name, self.jobs = platform, name, jobs
        self.start = soon(5)
        self.end = self.start + timedelta(seconds=EVERY_S * jobs - 1)
        platform.apply(
            once(name, self.start, ["run", "60"], interval=f"{EVERY_S}s", duration=f"{LASTS_S}s",
                 overlap="allow", misfire="all", end=self.end.strftime("%Y-%m-%dT%H:%M:%SZ"))
        )  # fmt: skip

    def wait_until_running(self) -> None:
        wait_for("the first to run", lambda: any(
            job["state"] == "RUNNING" for job in self.platform.jobs(self.name)))  # fmt: skip

    def is_still_due(self) -> bool:
        return now() < self.end - timedelta(seconds=EVERY_S)

    def wait_until_ended(self) -> None:
        from tests.e2e.platform import TERMINAL

        def ended() -> bool:
            jobs = self.platform.jobs(self.name)
            return len(jobs) >= self.jobs and all(job["state"] in TERMINAL for job in jobs)

        left = max(0.0, (self.end - now()).total_seconds())
        wait_for("all to end", ended, left + 90, 1.0)

    def history(self, witness: DockerWitness) -> History:
        """Put both accounts together for `tests.checker.check`."""
        jobs = self.platform.jobs(self.name)
        dues = tuple(
            Due(self.name, due, 0, min(due + timedelta(seconds=LASTS_S), self.end))
            for due in (self.start + timedelta(seconds=EVERY_S * k) for k in range(self.jobs))
        )
        docker = tuple(_docker_runs(witness, self.name))
        runs = tuple(Run(r.job_id, r.attempt, r.container, r.node, r.started_at, r.died_at)
                     for r in docker)  # fmt: skip
        moves = tuple(
            Move(job["job_id"], event["from_state"], event["to_state"])
            for job in jobs
            for event in self.platform.json("job", "show", job["job_id"])["events"]
        )
        return History(dues, tuple(_row(job) for job in jobs), runs, docker, moves, now())


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
