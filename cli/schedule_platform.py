"""`rota schedule plan|apply|list|show|delete`: the part of the group that talks to the platform."""

from __future__ import annotations

import json
import sys
import uuid
from typing import Annotated, Any, NoReturn

import typer

from cli import schedule_verbs
from cli.api import Api, RefusedError, path_of
from cli.errors import ExitCode
from cli.options import SETTINGS, Output, Yes, confirm
from cli.output import Column, Format, print_one, print_rows, text_of
from cli.schedule import read_files, show_problems
from common.documents import Problem
from common.schedule import load_many

Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="schedule files; - is stdin")]
Prune = Annotated[bool, typer.Option("--prune", help="remove instances that no file names")]
_LIST = (
    Column("instance", "instance"), Column("state", "state"), Column("next_due", "next due"),
    Column("next_stop", "stop"), Column("machine", "machine"), Column("app", "app"),
    Column("version", "version", is_wide=True), Column("form", "form", is_wide=True),
    Column("timezone", "zone", is_wide=True), Column("depends_on", "waits for", is_wide=True),
    Column("applied_by", "by", is_wide=True), Column("pause_reason", "pause", is_wide=True),
)  # fmt: skip
_SIGNS = {"added": "+", "changed": "~", "removed": "-", "unchanged": " "}
_SHOWN_CHANGES = 100


def add_to(app: typer.Typer) -> None:
    """Add the commands to the group."""
    for name, command in (("plan", plan), ("apply", apply), ("list", list_instances),
                          ("show", show), ("delete", delete)):  # fmt: skip
        app.command(name)(command)
    schedule_verbs.add_to(app)


def plan(files: Files, prune: Prune = False, output: Output = Format.TABLE) -> None:
    """Show what applying files would do; exit 20 if it would change something.

    Example: rota schedule plan heating.yml
    """
    made, _ = _plan(read_files(files), prune=prune)
    _print(made, output)
    if _has_changes(made):
        raise typer.Exit(ExitCode.HAS_CHANGES)


def apply(
    files: Files, yes: Yes = False, prune: Prune = False, output: Output = Format.TABLE
) -> None:
    """Check files, show what would change, ask, and store it; all or nothing.

    Example: rota schedule apply heating.yml lights.yml --yes
    """
    texts = read_files(files)
    made, etag = _plan(texts, prune=prune)
    is_shown = output in (Format.TABLE, Format.WIDE)
    if is_shown:
        _show(made)
    if _has_changes(made):
        confirm("Apply this?", yes=yes)
        headers = {"If-Match": etag, "Idempotency-Key": str(uuid.uuid4())}
        body = _body(texts, prune=prune)
        made = _api().send("POST", "/schedules/apply", body, headers).body
        print(f"applied: {_counts(made)}", file=sys.stderr)
    if not is_shown:
        _print(made, output)


def list_instances(output: Output = Format.TABLE) -> None:
    """List instances with their next due time.

    Example: rota schedule list -o wide
    """
    print_rows(_api().items("/schedules"), _LIST, output, "instance")


def show(
    instance: Annotated[str, typer.Argument(help="an instance's id")],
    output: Output = Format.TABLE,
) -> None:
    """Show one instance: its schedule as stored, and its next due times.

    Example: rota schedule show hostel-a-heating
    """
    found = _api().get(path_of("schedules", instance))
    if output not in (Format.TABLE, Format.WIDE):
        print_one(found, output, "instance")
        return
    print_one({k: v for k, v in found.items() if k not in ("next", "spec")}, output)
    print_one({f"spec.{key}": json.dumps(item) for key, item in found["spec"].items()}, output)
    _show_dues(found["next"])


def delete(
    instance: Annotated[str, typer.Argument(help="an instance's id")],
    yes: Yes = False,
    cascade: Annotated[bool, typer.Option(help="also those that wait for it")] = False,
) -> None:
    """Delete an instance; its jobs are stopped.

    Example: rota schedule delete hostel-a-heating --yes
    """
    confirm(f"Delete {instance}?", yes=yes)
    flag = "true" if cascade else "false"
    done = _api().send("DELETE", path_of("schedules", instance) + f"?cascade={flag}").body
    print("deleted: " + ", ".join(done["removed"]), file=sys.stderr)


def _api() -> Api:
    return Api.of_user(SETTINGS.timeout_s)


def _plan(texts: list[tuple[str, bytes]], *, prune: bool) -> tuple[dict[str, Any], str]:
    """Check here what needs no platform, then let the platform compare; exit 3 with problems."""
    problems = load_many(texts).problems
    if any(problem.code != "unknown_parent" for problem in problems):
        _refuse(problems, texts)
    try:
        answer = _api().send("POST", "/schedules/plan", _body(texts, prune=prune))
    except RefusedError as error:
        if error.body.get("code") != "invalid_files":
            raise
        _refuse(tuple(Problem(**each) for each in error.body["errors"]), texts)
    return answer.body, answer.body["etag"]


def _refuse(problems: tuple[Problem, ...], texts: list[tuple[str, bytes]]) -> NoReturn:
    show_problems(problems, dict(texts))
    raise typer.Exit(ExitCode.INVALID_FILE)


def _body(texts: list[tuple[str, bytes]], *, prune: bool) -> dict[str, Any]:
    files = [{"name": name, "text": text.decode("utf-8-sig")} for name, text in texts]
    return {"files": files, "prune": prune}


def _has_changes(made: dict[str, Any]) -> bool:
    return bool(made["added"] or made["changed"] or made["removed"])


def _counts(made: dict[str, Any]) -> str:
    return ", ".join(f"{made[kind]} {kind}" for kind in _SIGNS)


def _print(made: dict[str, Any], output: Format) -> None:
    """Write a plan; `-o name` names what it changes."""
    match output:
        case Format.JSON | Format.YAML:
            print_one(made, output)
        case Format.NAME:
            changed = [change for change in made["changes"] if change["kind"] != "unchanged"]
            print_rows(changed, (), output, "instance")
        case _:
            _show(made)


def _show(made: dict[str, Any]) -> None:
    shown = [change for change in made["changes"] if change["kind"] != "unchanged"]
    for change in shown[:_SHOWN_CHANGES]:
        fields = f": {', '.join(change['fields'])}" if change["fields"] else ""
        print(f"{_SIGNS[change['kind']]} {change['instance']} ({change['kind']}{fields})")
        _show_dues(change.get("next", []))
    if len(shown) > _SHOWN_CHANGES:
        print(f"... and {len(shown) - _SHOWN_CHANGES} more")
    for job in made.get("cancelled_jobs", []):
        print(f"! {job} would be stopped")
    if shown and "capacity" in made:
        print(load_line(made["capacity"]))
    print(_counts(made) if shown else f"nothing to change ({made['unchanged']} unchanged)")


def load_line(load: dict[str, Any]) -> str:
    """Say what a plan does to the highest load of the next day."""
    before, after = load["before"], load["after"]
    over = " - more than there is" if after["cpus"] > load["cpus"] else ""
    at = f" ({text_of(after['at'])})" if after["at"] else ""
    jobs = f"{before['jobs']} -> {after['jobs']} jobs"
    cpus = f"{before['cpus']:g} -> {after['cpus']:g} of {load['cpus']:g} CPUs"
    return f"most at once in 24 h: {jobs}, {cpus}{at}{over}"


def _show_dues(dues: list[dict[str, Any]]) -> None:
    for due in dues:
        stop = f"  stops {text_of(due['stop'])}" if due["stop"] else ""
        print(f"    {text_of(due['due'])}{stop}")
