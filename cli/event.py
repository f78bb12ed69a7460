"""`rota event`: what happens on the platform, as it happens."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from cli.api import Api
from cli.events import follow
from cli.options import SETTINGS, Output
from cli.output import Format, text_of

_NOWHERE = {"PLANNED", "WAITING", "QUEUED"}  # the job as it is now may be further on


app = typer.Typer(no_args_is_help=True, help="What happens on the platform, as it happens.")


@app.callback()
def group() -> None:
    """What happens on the platform, as it happens."""


@app.command()
def tail(
    instance: Annotated[str | None, typer.Option(help="only this instance's jobs")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="end after so many")] = None,
    output: Output = Format.TABLE,
) -> None:
    """Print every change of a job's state until you stop it; one JSON object a line with -o json.

    Example: rota event tail --instance hostel-a-heating -o json
    """
    left = count
    for event in follow(Api.of_user(SETTINGS.timeout_s)):
        if event.name != "job" or instance not in (None, event.body["job"]["instance"]):
            continue
        print(text_in(output, event.body), flush=True)
        left = left - 1 if left is not None else None
        if left == 0:
            return


def text_in(form: Format, body: dict[str, Any]) -> str:
    """Write one change in the chosen form; YAML is a document each, a name the job's id."""
    match form:
        case Format.JSON:
            return json.dumps(body)
        case Format.YAML:
            import yaml

            return f"---\n{yaml.safe_dump(body, sort_keys=False, allow_unicode=True)}".rstrip()
        case Format.NAME:
            return str(body["job"]["job_id"])
        case Format.WIDE:
            return f"{line_of(body)}  {body['event_detail'] or ''}".rstrip()
        case _:
            return line_of(body)


def line_of(body: dict[str, Any]) -> str:
    """Write one change as a line."""
    job = body["job"]
    reason = f" ({body['event_reason']})" if body["event_reason"] else ""
    is_placed = job["node"] and body["to_state"] not in _NOWHERE
    place = f" on {job['node']}" if is_placed else ""
    move = f"{body['from_state'] or '-'} -> {body['to_state']}{reason}"
    return f"{text_of(body['at'])}  {job['job_id']}  {move}{place}"
