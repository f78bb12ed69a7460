"""The accounts of what ran on a platform under faults, for the checker to judge.

Three that must agree: the ledger; Docker's events on each machine; and the witness, a file to which
each container appends its start, its signal and its end with fsync, past Docker and the platform.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.checker.history import Blind, DockerRun, Due, History, Move, Row, Run
from tests.e2e.platform import MACHINES, Platform, now

WITNESS = "/var/lib/rota-witness"
SPEAKS_WITHIN = timedelta(seconds=1)
# Followed anew after a restart of Docker; a repeated second of events does no harm.
_FOLLOW = """\
since=$(date +%s)
while :; do
    docker events --since "$since" --filter type=container --filter event=start \
        --filter event=die --format '{{json .}}'
    since=$(($(date +%s) - 1)); sleep 0.1
done
"""


class Court:
    """Follows one platform's machines, and gathers what happened there."""

    def __init__(self, platform: Platform, folder: Path, machines: Sequence[str]) -> None:
        self._platform, self._folder = platform, folder
        self._began = now()  # the witness remembers earlier tests, too
        self._events = {machine: folder / f"events-{machine}.jsonl" for machine in machines}
        self._followers = [self._follow(machine, path) for machine, path in self._events.items()]

    def follow_again(self, machine: str) -> None:
        """Go on with a machine that was off."""
        self._followers.append(self._follow(machine, self._events[machine]))

    def join(self, machine: str) -> None:
        """Follow a machine that came later, too."""
        self._events[machine] = self._folder / f"events-{machine}.jsonl"
        self._followers.append(self._follow(machine, self._events[machine]))

    def close(self) -> None:
        for follower in self._followers:
            follower.terminate()
            follower.wait()

    def history(
        self, dues: Sequence[Due], *, off: Mapping[str, datetime] | None = None,
        blind: Sequence[Blind] = (), calm_from: datetime | None = None, has_witness: bool = True,
    ) -> History:  # fmt: skip
        """Gather all accounts of the instances that are due.

        `off` tells when a machine's power went: what ran there ended then, and Docker could not say.
        Without a witness on the machines Docker's account stands for its own.
        """
        instances = sorted({due.instance for due in dues})
        jobs = [job for instance in instances for job in self._platform.jobs(instance)]
        docker = [run for run in self._docker_runs(off or {}) if _instance(run.job_id) in instances]
        moves = tuple(
            Move(job["job_id"], event["from_state"], event["to_state"])
            for job in jobs
            for event in self._platform.json("job", "show", job["job_id"])["events"]
        )
        seen = list(self._witnessed(docker)) if has_witness else []
        spoke = {run.container for run in seen}
        silent = [run for run in docker if not has_witness or _was_stopped_at_once(run)]
        seen += [_as_seen(run) for run in silent if run.container not in spoke]
        runs = tuple(run for run in seen if _instance(run.job_id) in instances)
        return History(
            tuple(dues), tuple(_row(job) for job in jobs), runs, tuple(docker), moves, now(),
            blind=tuple(blind), calm_from=calm_from,
        )  # fmt: skip

    def _follow(self, machine: str, path: Path) -> subprocess.Popen[bytes]:
        name = self._platform.container_of(machine)
        argv = ["docker", "exec", name, "timeout", "900", "sh", "-c", _FOLLOW]
        return subprocess.Popen(argv, stdout=path.open("a"), stderr=subprocess.DEVNULL)

    def _docker_runs(self, off: Mapping[str, datetime]) -> list[DockerRun]:
        found: dict[str, DockerRun] = {}
        for machine, event in self._told():
            labels, container = event["Actor"]["Attributes"], event["Actor"]["ID"]
            moment = datetime.fromtimestamp(event["timeNano"] / 1e9, tz=UTC)
            if event["Action"] == "start":
                # A second start of one container (its restart policy) would show as a second run.
                key = container if container not in found else f"{container}-again"
                found[key] = DockerRun(
                    labels["io.rota.job"], int(labels["io.rota.attempt"]), key, machine, moment
                )
            elif container in found:
                found[container] = replace(found[container], died_at=moment)
        return [
            replace(run, died_at=off[run.node])
            if run.died_at is None and run.node in off and run.started_at < off[run.node]
            else run
            for run in found.values()
        ]

    def _told(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (machine, event) of the containers that are attempts at jobs, each once."""
        seen = set()
        for machine, path in self._events.items():
            for line in path.read_text().splitlines():
                event = json.loads(line)
                mark = (event["Actor"]["ID"], event["Action"], event["timeNano"])
                if "io.rota.job" in event["Actor"]["Attributes"] and mark not in seen:
                    seen.add(mark)
                    yield machine, event

    def _witnessed(self, docker: Sequence[DockerRun]) -> Iterator[Run]:
        ids = {run.container[:12]: run.container for run in docker}
        for machine in self._events:
            told = self._platform.on_machine(machine, "sh", "-c", f"cat {WITNESS}/log || true")
            yield from (run for run in _runs_of(machine, told, ids) if run.started_at >= self._began)


def _runs_of(machine: str, told: str, ids: Mapping[str, str]) -> list[Run]:
    """Read one machine's witness; a container is known there by the beginning of its id."""
    runs: dict[str, Run] = {}
    for line in told.splitlines():
        words = dict(word.partition("=")[::2] for word in line.split())
        moment = datetime.fromisoformat(words["time"])
        container = ids.get(words["host"], words["host"])
        if words["event"] == "start":
            key = container if container not in runs else f"{container}-again"
            runs[key] = Run(words["job"], int(words["attempt"]), key, machine, moment)
        elif words["event"] == "end" and container in runs:
            runs[container] = replace(runs[container], ended_at=moment)
    return list(runs.values())


def _was_stopped_at_once(run: DockerRun) -> bool:
    """Tell whether it may have been killed before its first words reached the disk."""
    return run.died_at is not None and run.died_at - run.started_at < SPEAKS_WITHIN


def _as_seen(run: DockerRun) -> Run:
    return Run(run.job_id, run.attempt, run.container, run.node, run.started_at, run.died_at)


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


def _instance(job_id: str) -> str:
    return job_id.partition(".")[0]


@contextmanager
def following(
    platform: Platform, folder: Path, machines: Sequence[str] = MACHINES
) -> Iterator[Court]:
    court = Court(platform, folder, machines)
    try:
        yield court
    finally:
        court.close()
