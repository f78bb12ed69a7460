"""The demo's jobs: asked for, shown live, and held against what the schedule file says."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from cli.api import Api
from cli.errors import CliError
from common.clock import SystemClock
from common.schedule import InstanceSpec, compile_schedule, load

Job = Mapping[str, Any]
POLL_S = 0.5
LATEST_START = timedelta(seconds=5)
STOP_SLACK = timedelta(seconds=2)
SETTLING = timedelta(seconds=25)
"""A job due this shortly before the end of the demo may still be at work: it is not judged."""
_COLOURS = {
    "PLANNED": "dim", "WAITING": "yellow", "QUEUED": "yellow", "STARTING": "cyan",
    "RUNNING": "bold green", "STOPPING": "cyan", "SUCCEEDED": "green", "ENDED": "green",
}  # fmt: skip


class Jobs:
    """Asks the platform for its jobs."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def list(self) -> list[Job]:
        """Return the newest jobs and the planned ones; none while the platform does not answer."""
        with suppress(CliError):
            page = self._api.get("/jobs", limit=200, upcoming=True)
            return [*page["upcoming"], *page["items"]]
        return []


class Follower:
    """Shows jobs as they change: a table on a terminal, a line for each change elsewhere."""

    def __init__(self) -> None:
        self._seen: dict[str, Job] = {}
        self._console = Console()

    def follow(self, jobs: Jobs, since: datetime, during: timedelta) -> list[Job]:
        """Follow for a time; return every job that was seen."""
        clock = SystemClock()
        until = since + during
        if not self._console.is_terminal:
            while clock.now() < until:
                for job in self._take(jobs.list(), since):
                    print(line_of(job), flush=True)
                time.sleep(POLL_S)
            return list(self._seen.values())
        with Live(console=self._console, auto_refresh=False) as live:
            while clock.now() < until:
                self._take(jobs.list(), since)
                live.update(table_of(self._seen.values(), clock.now(), until), refresh=True)
                time.sleep(POLL_S)
        return list(self._seen.values())

    def _take(self, listed: Iterable[Job], since: datetime) -> list[Job]:
        """Keep what is news, and return it in the order in which it was due."""
        news = []
        for job in sorted(listed, key=lambda j: (j["due"], j["job_id"])):
            before = self._seen.get(job["job_id"])
            if moment(job["due"]) >= since and (before is None or before["state"] != job["state"]):
                news.append(job)
            if moment(job["due"]) >= since:
                self._seen[job["job_id"]] = job
        return news


def line_of(job: Job) -> str:
    """Write one change of one job."""
    return (
        f"{SystemClock().now():%H:%M:%S}  {job['state']:<10} {job['job_id']:<44}"
        f" {job['node'] or '-':<5} load {_load(job):<6} {_late(job)}{_end(job)}"
    )


def table_of(jobs: Iterable[Job], now: datetime, until: datetime) -> Table:
    """Draw the jobs in the order in which they are due."""
    left = max(0, int((until - now).total_seconds()))
    table = Table(title=f"{now:%H:%M:%S} UTC, {left} s to go", title_justify="left")
    for name in ("due", "job", "state", "node", "load", "lateness", "end"):
        table.add_column(name, no_wrap=True)
    for job in sorted(jobs, key=lambda j: (j["due"], j["job_id"])):
        colour = _COLOURS.get(job["state"], "bold red")
        table.add_row(f"{moment(job['due']):%H:%M:%S}", f"{job['instance']}.{job['ordinal']}",
                      f"[{colour}]{job['state']}[/]", job["node"] or "-", _load(job), _late(job),
                      _end(job))  # fmt: skip
    return table


def judge(file: Path, seen: Iterable[Job], since: datetime, until: datetime) -> list[str]:
    """Hold the jobs against the file; return every way in which they did not do what it says."""
    specs = {spec.id: spec for spec in load(file.read_bytes(), file.name).instances}
    by_key = {(j["instance"], moment(j["due"]), j["ordinal"]): j for j in seen}
    wanted = [
        (spec, due, ordinal)
        for spec in specs.values()
        for due in _dues(spec, specs, since + timedelta(seconds=1), until - SETTLING)
        for ordinal in range(spec.instances)
    ]
    problems = [] if wanted else ["no job was due while the demo was followed"]
    judged: list[Job] = []
    for spec, due, ordinal in wanted:
        job = by_key.get((spec.id, due, ordinal))
        if job is None:
            problems.append(f"{spec.id} was due at {due:%H:%M:%S} and has no job")
        else:
            judged.append(job)
            problems += _judge_job(spec, job)
    problems += _judge_order(specs, by_key, judged)
    return problems + _judge_standalone(specs, by_key.values())


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _dues(
    spec: InstanceSpec, specs: Mapping[str, InstanceSpec], after: datetime, until: datetime
) -> list[datetime]:
    """Return due times; a child without a schedule is due with its parent."""
    calendar = compile_schedule(spec)
    if calendar is not None:
        return list(calendar.due_between(after, until, 1000))
    return _dues(specs[spec.depends_on[0].instance], specs, after, until)


def _judge_job(spec: InstanceSpec, job: Job) -> list[str]:
    name = f"{job['job_id']} ({job['state']}, {job['reason'] or job['exit_code']})"
    is_killed = spec.schedule is not None and spec.schedule.duration_s is not None
    wanted = ("ENDED", "duration") if is_killed else ("SUCCEEDED", None)
    if (job["state"], job["reason"]) != wanted:
        return [f"{name} should have come to {wanted[0]}"]
    found = []
    late = moment(job["started_at"]) - moment(job["due"])
    if spec.schedule is not None and not timedelta(0) <= late <= LATEST_START:
        found.append(f"{name} started {late.total_seconds():.1f} s after it was due")
    if is_killed:
        over = moment(job["ended_at"]) - moment(job["stop_at"])
        if over > timedelta(seconds=spec.grace_s) + STOP_SLACK:
            found.append(f"{name} ran {over.total_seconds():.1f} s past its stop time")
    return found


def _judge_order(
    specs: Mapping[str, InstanceSpec],
    by_key: Mapping[tuple[str, datetime, int], Job],
    judged: Iterable[Job],
) -> list[str]:
    """No child may start before the end of all that it waits for."""
    return [
        f"{job['job_id']} started before {parent['job_id']} had ended"
        for job in judged
        for edge in specs[job["instance"]].depends_on
        for (instance, due, _), parent in by_key.items()
        if (instance, due) == (edge.instance, moment(job["due"]))
        and job["started_at"]
        and (parent["ended_at"] is None or moment(job["started_at"]) < moment(parent["ended_at"]))
    ]


def _judge_standalone(specs: Mapping[str, InstanceSpec], jobs: Iterable[Job]) -> list[str]:
    """Nobody may run beside a standalone job."""
    ran = [job for job in jobs if job["started_at"] and job["ended_at"]]
    return [
        f"{other['job_id']} ran on {job['node']} beside the standalone {job['job_id']}"
        for job in ran
        if specs[job["instance"]].machine == "standalone"
        for other in ran
        if other is not job
        and other["node"] == job["node"]
        and moment(other["started_at"]) < moment(job["ended_at"])
        and moment(other["ended_at"]) > moment(job["started_at"])
    ]


def _load(job: Job) -> str:
    return "-" if job.get("load") is None else f"{job['load']:.1%}"


def _late(job: Job) -> str:
    return "-" if job["lateness_ms"] is None else f"+{job['lateness_ms'] / 1000:.2f} s"


def _end(job: Job) -> str:
    if job["reason"]:
        return f"  {job['reason']}"
    return "" if job["exit_code"] is None else f"  exit code {job['exit_code']}"


