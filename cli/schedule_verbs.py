"""`rota schedule history|diff|rollback|pause|resume|skip|backfill`: of one instance."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from cli.api import Api, path_of
from cli.asking import tell_outcome, wait_for_outcome
from cli.options import SETTINGS, Output, Yes, confirm
from cli.output import Column, Format, print_rows, text_of

Instance = Annotated[str, typer.Argument(metavar="INSTANCE", help="an instance's id")]
_HISTORY = (
    Column("version", "version"), Column("kind", "what"), Column("applied_by", "by"),
    Column("applied_at", "at"), Column("changed", "changed"),
)  # fmt: skip
_DIFF = (Column("key", "key"), Column("old", "old"), Column("new", "new"))
_BACKFILL = (Column("due", "due"), Column("stop", "stop"), Column("verdict", "verdict"))


def add_to(app: typer.Typer) -> None:
    """Add the commands to the group."""
    for command in (history, diff, rollback, pause, resume, skip, backfill):
        app.command()(command)


def history(instance: Instance, output: Output = Format.TABLE) -> None:
    """List the versions of an instance, newest first, with what each changed.

    Example: rota schedule history hostel-a-heating
    """
    items = _api().items(path_of("schedules", instance, "history"))
    rows = [{**item, "changed": _changed(item)} for item in items]
    shown = items if output in (Format.JSON, Format.YAML) else rows
    print_rows(shown, _HISTORY, output, "version")


def _changed(version: dict[str, Any]) -> list[str]:
    """Name what a version changed; the first one is all new, which needs no list."""
    return ["all"] if version["kind"] == "added" else [each["key"] for each in version["changes"]]


def diff(instance: Instance, old: int, new: int, output: Output = Format.TABLE) -> None:
    """Show how two versions differ.

    Example: rota schedule diff hostel-a-heating 1 2
    """
    rows = _api().items(path_of("schedules", instance, "diff"), old=old, new=new)
    print_rows(rows, _DIFF, output, "key")


def rollback(
    instance: Instance,
    to: Annotated[int, typer.Option("--to", min=1, help="the version to go back to")],
    yes: Yes = False,
) -> None:
    """Apply an old version again, as a new one.

    Example: rota schedule rollback hostel-a-heating --to 3
    """
    confirm(f"Roll {instance} back to version {to}?", yes=yes)
    done = _post(path_of("schedules", instance, "rollback"), {"version": to})
    print(f"{instance} is now version {done['version']}, as version {to} was", file=sys.stderr)


def pause(
    instance: Instance, reason: Annotated[str, typer.Option(help="why; everybody sees it")]
) -> None:
    """Pause an instance: its due times are skipped until it is resumed.

    Example: rota schedule pause hostel-a-heating --reason "boiler is mended"
    """
    _post(path_of("schedules", instance, "pause"), {"reason": reason})
    print(f"{instance} is paused", file=sys.stderr)


def resume(instance: Instance) -> None:
    """Let a paused instance go on with its next due time.

    Example: rota schedule resume hostel-a-heating
    """
    _post(path_of("schedules", instance, "resume"), None)
    print(f"{instance} goes on", file=sys.stderr)


def skip(
    instance: Instance,
    due: Annotated[str | None, typer.Option(help="not the next one, but this")] = None,
) -> None:
    """Skip the next due time of an instance.

    Example: rota schedule skip hostel-a-heating
    """
    asked = _post(path_of("schedules", instance, "skip"), {"due": due})
    told = wait_for_outcome(_api(), asked["request"])
    due_text = (told["detail"] or "").replace("+00:00", "Z")
    tell_outcome(f"{instance} skips {text_of(due_text)}", told)


def backfill(
    instance: Instance,
    after: Annotated[str, typer.Option(help="like 2026-03-08T00:00:00Z")],
    until: Annotated[str, typer.Option(help="the last due time that may be meant")],
    *,
    yes: Yes = False,
    output: Output = Format.TABLE,
) -> None:
    """Run due times of the past that have no job; shows them first, and asks.

    Example: rota schedule backfill hostel-a-heating --after 2026-03-08T00:00:00Z
    --until 2026-03-09T00:00:00Z
    """
    span: dict[str, Any] = {"after": after, "until": until}
    shown = _post(path_of("schedules", instance, "backfill"), span)["items"]
    print_rows(shown, _BACKFILL, output, "due")
    wanted = [each for each in shown if each["verdict"] == "would run"]
    if not wanted:
        print("nothing to run", file=sys.stderr)
        return
    confirm(f"Run {len(wanted)} of them now?", yes=yes)
    done = _post(path_of("schedules", instance, "backfill"), {**span, "preview": False})
    print(f"{len(done['requests'])} runs asked for", file=sys.stderr)


def _post(path: str, body: Any) -> Any:
    return _api().send("POST", path, body).body


def _api() -> Api:
    return Api.of_user(SETTINGS.timeout_s)
