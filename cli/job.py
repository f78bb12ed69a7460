"""`rota job`: what ran, what runs, and why."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.api import Api, path_of
from cli.explaining import explanation_of, waiting_words
from cli.job_verbs import JobId, add_to
from cli.options import SETTINGS, Output
from cli.output import Column, Format, print_one, print_rows

app = typer.Typer(no_args_is_help=True, help="What ran, what runs, and why.")
_LIST = (
    Column("job_id", "job"), Column("state", "state"), Column("reason", "reason"),
    Column("due", "due"), Column("node", "node"), Column("started_at", "started"),
    Column("ended_at", "ended"), Column("lateness_ms", "late ms"),
    Column("stop_at", "stop", is_wide=True), Column("exit_code", "exit", is_wide=True),
    Column("attempt", "attempt", is_wide=True), Column("load", "load", is_wide=True),
    Column("detail", "detail", is_wide=True),
)  # fmt: skip
_EVENTS = (
    Column("at", "at"), Column("attempt", "attempt"), Column("from_state", "from"),
    Column("to_state", "to"), Column("reason", "reason"), Column("detail", "detail"),
)  # fmt: skip
_CANDIDATES = (
    Column("node", "node"), Column("cpu", "cpu"), Column("ram", "ram"), Column("load", "load"),
    Column("sample_age_s", "age s"), Column("jobs", "jobs"), Column("verdict", "verdict"),
)  # fmt: skip
_LONG = ("events", "attempts", "waits_for")


@app.command("list")
def list_jobs(
    *,
    instance: Annotated[str | None, typer.Option(help="only this instance's")] = None,
    state: Annotated[list[str] | None, typer.Option(help="only in this state; repeat it")] = None,
    node: Annotated[str | None, typer.Option(help="only on this node")] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=100_000, help="at most so many, and so many planned ones")
    ] = 50,
    upcoming: Annotated[bool, typer.Option(help="also what is planned next")] = True,
    output: Output = Format.TABLE,
) -> None:
    """List jobs, newest due first; the planned ones that come next before them.

    Example: rota job list --state RUNNING --state STARTING
    Example: rota job list --instance hostel-a-heating --limit 5 -o json
    """
    api = _api()
    states = [each.upper() for each in state or []]
    wanted = {"instance": instance, "node": node, "state": states}
    planned = api.get("/jobs", limit=min(limit, 1000), upcoming=True, **wanted) if upcoming else {}
    rows = [*planned.get("upcoming", []), *api.items("/jobs", limit, **wanted)]
    print_rows(rows, _LIST, output, "job_id")


@app.command()
def show(job: JobId, output: Output = Format.TABLE) -> None:
    """Show one job: its states with their times, its attempts, and what it waits for.

    Example: rota job show hostel-a-heating.20261123T080000Z.0
    """
    found = _api().get(path_of("jobs", job))
    if output not in (Format.TABLE, Format.WIDE):
        print_one(found, output, "job_id")
        return
    print_one({key: item for key, item in found.items() if key not in _LONG}, output)
    for parent in found["waits_for"]:
        print(waiting_words(parent))
    print()
    print_rows(found["events"], _EVENTS, output, "event_id")


@app.command()
def explain(job: JobId, output: Output = Format.TABLE) -> None:
    """Tell why a job runs where it runs, or why it does not run yet.

    Example: rota job explain hostel-a-heating.20261123T080000Z.0
    """
    found = _api().get(path_of("jobs", job, "explain"))
    if output not in (Format.TABLE, Format.WIDE):
        print_one(found, output, "job_id")
        return
    print("\n".join(explanation_of(found)))
    if found["candidates"]:
        print()
        print_rows(found["candidates"], _CANDIDATES, output, "node")


@app.command()
def logs(
    job: JobId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on until it ends")] = False,
    tail: Annotated[int | None, typer.Option(min=0, help="only the last lines")] = None,
    attempt: Annotated[int | None, typer.Option(min=1, help="not the last attempt's")] = None,
) -> None:
    """Print a job's output.

    Example: rota job logs -f hostel-a-heating.20261123T080000Z.0
    """
    wanted = {"follow": follow, "tail": tail, "attempt": attempt}
    for chunk in _api().stream(path_of("jobs", job, "logs"), **wanted):
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


def _api() -> Api:
    return Api.of_user(SETTINGS.timeout_s)


add_to(app)
