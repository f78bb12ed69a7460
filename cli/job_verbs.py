"""`rota job kill|run|retry|wait`: what is asked of jobs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.api import Api, path_of
from cli.asking import judge, tell_outcome, wait_for_end, wait_for_outcome
from cli.options import SETTINGS, Yes, confirm

JobId = Annotated[str, typer.Argument(metavar="JOB", help="a job's id, as `job list` prints it")]
Force = Annotated[bool, typer.Option("--force", help="whatever the overlap policy says")]
ForceRun = Annotated[
    bool, typer.Option("--force", help="whatever its parents and the overlap policy say")
]
Wait = Annotated[bool, typer.Option("--wait", help="until it ends; exit 10 if badly")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the group."""
    for command in (kill, run, retry, wait):
        app.command()(command)


def kill(job: JobId, yes: Yes = False) -> None:
    """Stop a job, whatever it is doing; it ends CANCELLED(user).

    Example: rota job kill hostel-a-heating.20261123T080000Z.0 --yes
    """
    confirm(f"Kill {job}?", yes=yes)
    _api().send("POST", path_of("jobs", job, "kill"))
    print(f"{job} is being stopped", file=sys.stderr)


def run(
    instance: Annotated[str, typer.Argument(metavar="INSTANCE", help="an instance's id")],
    force: ForceRun = False,
    wait: Wait = False,
) -> None:
    """Run an instance now, beside its schedule; prints the ids of its jobs.

    Example: rota job run hostel-a-heating --wait
    """
    asked = _api().send("POST", path_of("schedules", instance, "run"), {"forced": force}).body
    told = wait_for_outcome(_api(), asked["request"])
    tell_outcome(f"{instance} runs", told)
    jobs = [each.strip() for each in (told["detail"] or "").split(",") if each.strip()]
    print("\n".join(jobs))
    if wait:
        _judge_all(jobs)


def retry(job: JobId, force: Force = False, wait: Wait = False) -> None:
    """Try a job that ended badly again, as the same job with a new attempt.

    Example: rota job retry hostel-a-heating.20261123T080000Z.0
    """
    asked = _api().send("POST", path_of("jobs", job, "retry"), {"forced": force}).body
    tell_outcome(f"{job} is tried again", wait_for_outcome(_api(), asked["request"]))
    if wait:
        _judge_all([job])


def wait(
    job: JobId,
    timeout: Annotated[float | None, typer.Option(min=0, help="seconds; for ever if not")] = None,
) -> None:
    """Wait until a job ends; exit 10 if it ended badly, 7 when the time is up (9: no machine fits).

    Example: rota job wait hostel-a-heating.20261123T080000Z.0 --timeout 60
    """
    judge(wait_for_end(_api(), job, timeout))


def _judge_all(jobs: list[str]) -> None:
    for job in jobs:
        judge(wait_for_end(_api(), job, None))


def _api() -> Api:
    return Api.of_user(SETTINGS.timeout_s)
