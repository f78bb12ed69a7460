"""`rota schedule`: validate and next need no platform; the rest is imported on demand."""

from __future__ import annotations

import heapq
import sys
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from cli.errors import CliError, ExitCode
from cli.output import Column, Format, print_rows
from common.clock import SystemClock
from common.documents import MOST_BYTES
from common.schedule import (
    Calendar,
    InstanceSpec,
    Loaded,
    Problem,
    compile_schedule,
    load_many,
)

app = typer.Typer(no_args_is_help=True, help="Check, apply and list schedule files.")
_ENOUGH = MOST_BYTES + 1  # of a larger file no more than that it is too large need be known
_PURE_COMMANDS = {"validate", "next", "schema"}  # these need no platform
Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="schedule files; - is stdin")]
Output = Annotated[Format, typer.Option("-o", "--output", help="how to print")]
_NEXT_COLUMNS = (Column("due", "due"), Column("stop", "stop"), Column("instance", "instance"))
_PROBLEM_COLUMNS = tuple(
    Column(key, key) for key in ("file", "line", "column", "path", "code", "message", "hint")
)


@app.command()
def validate(files: Files, output: Output = Format.TABLE) -> None:
    """Check files together and tell every problem with its line; needs no platform.

    Example: rota schedule validate heating.yml lights.yml
    """
    texts = read_files(files)
    loaded = load_many(texts, now=SystemClock().now())
    if output is Format.JSON:
        _print_judgement(loaded)
    elif output is Format.TABLE:
        show_problems(loaded.problems, dict(texts))
        show_warnings(loaded.warnings, dict(texts))
    else:
        print_rows([p.as_dict() for p in loaded.problems], _PROBLEM_COLUMNS, output, "path")
    if loaded.problems:
        raise typer.Exit(ExitCode.INVALID_FILE)
    warned = f", {len(loaded.warnings)} warnings" if loaded.warnings else ""
    print(f"{len(loaded.instances)} instances, no problems{warned}", file=sys.stderr)


def _print_judgement(loaded: Loaded) -> None:
    import json

    told = {"problems": [problem.as_dict() for problem in loaded.problems]}
    if loaded.warnings:
        told["warnings"] = [warning.as_dict() for warning in loaded.warnings]
    print(json.dumps(told, indent=2))


@app.command()
def schema() -> None:
    """Print the JSON Schema of schedule files, for editors; needs no platform.

    Example: rota schedule schema > schedule.schema.json
    """
    from common.schedule.schema import schedule_schema_text

    print(schedule_schema_text(), end="")


@app.command("next")
def show_next(
    file: Annotated[str, typer.Argument(metavar="FILE", help="a schedule file; - is stdin")],
    after: Annotated[
        str | None, typer.Option(help="instant to begin after, like 2026-03-08T00:00:00Z; now")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=100_000, help="how many due times")] = 5,
    instance: Annotated[str | None, typer.Option(help="only this instance")] = None,
    output: Output = Format.TABLE,
) -> None:
    """Print the next due times and their stop times; needs no platform.

    Example: rota schedule next heating.yml --after 2026-03-08T00:00:00Z --count 3 -o json
    """
    moment = SystemClock().now() if after is None else _instant(after)
    instances = loaded_or_exit([file]).instances
    if instance is not None:
        instances = tuple(spec for spec in instances if spec.id == instance)
        if not instances:
            raise CliError(f"there is no instance {instance!r}", where=file,
                           exit_code=ExitCode.NOT_FOUND)  # fmt: skip
    dues = heapq.merge(*(_dues(spec, moment) for spec in instances), key=lambda due: due[:2])
    rows = [
        {"instance": name, "due": due, "stop": calendar.stop_time(due)}
        for due, name, calendar in islice(dues, count)
    ]
    print_rows(rows, _NEXT_COLUMNS, output, "due")


def _dues(spec: InstanceSpec, after: datetime) -> Iterator[tuple[datetime, str, Calendar]]:
    calendar = compile_schedule(spec)
    if calendar is not None:
        yield from ((due, spec.id, calendar) for due in calendar.iterate(after))


def loaded_or_exit(files: list[str]) -> Loaded:
    """Read files; with problems print them all and exit with 3."""
    texts = read_files(files)
    loaded = load_many(texts)
    if loaded.problems:
        show_problems(loaded.problems, dict(texts))
        raise typer.Exit(ExitCode.INVALID_FILE)
    return loaded


def read_files(files: list[str]) -> list[tuple[str, bytes]]:
    """Return (name, content) of each file; - is stdin."""
    texts = []
    for name in files:
        try:
            content = sys.stdin.buffer.read(_ENOUGH) if name == "-" else _read(Path(name))
        except OSError as error:
            raise CliError(f"cannot read {name}", why=error.strerror,
                           exit_code=ExitCode.USAGE) from error  # fmt: skip
        texts.append((name, content))
    return texts


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_ENOUGH)


def show_problems(problems: tuple[Problem, ...], texts: dict[str, bytes]) -> None:
    """Write each problem with the line it stands on, to stderr."""
    _show(problems, texts, "")
    if problems:
        print(f"{len(problems)} problems; nothing was changed", file=sys.stderr)


def show_warnings(warnings: tuple[Problem, ...], texts: dict[str, bytes]) -> None:
    """Write each warning as problems are written; they forbid nothing."""
    _show(warnings, texts, "warning: ")


def _show(problems: tuple[Problem, ...], texts: dict[str, bytes], kind: str) -> None:
    lines_of = {
        name: content.decode("utf-8", "replace").split("\n") for name, content in texts.items()
    }
    for problem in problems:
        place = ":".join(str(p) for p in (problem.file, problem.line, problem.column) if p)
        path = f" ({problem.path})" if problem.path else ""
        print(f"{place}: {kind}{problem.code}: {problem.message}{path}", file=sys.stderr)
        lines = lines_of.get(problem.file, [])
        if problem.line and problem.column and problem.line <= len(lines):
            _show_line(lines[problem.line - 1], problem.column)
        if problem.hint:
            print(f"    hint: {problem.hint}", file=sys.stderr)


def _show_line(line: str, column: int) -> None:
    """Write the part of a line around a column, and a mark below it."""
    left = max(0, column - 80)
    shown = "".join(c if c.isprintable() else " " for c in line[left : left + 160])
    print(f"    {shown}\n    {' ' * (column - 1 - left)}^", file=sys.stderr)


def _instant(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CliError(f"--after: cannot read {text!r}", why=str(error),
                       next_command="write it like 2026-03-08T00:00:00Z",
                       exit_code=ExitCode.USAGE) from error  # fmt: skip
    if moment.tzinfo is None:
        raise CliError(f"--after: {text!r} has no offset",
                       next_command=f"write {text}Z for UTC", exit_code=ExitCode.USAGE)  # fmt: skip
    return moment


def _add_platform_commands() -> None:
    """Add what talks to the platform, unless a command that needs none is called."""
    if not _PURE_COMMANDS & set(sys.argv[2:3]):
        from cli import schedule_platform

        schedule_platform.add_to(app)


_add_platform_commands()
