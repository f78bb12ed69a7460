"""`rota schedule`: validate and next need no platform; the rest is imported on demand."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.errors import CliError, ExitCode
from cli.output import Column, Format, print_rows
from common.schedule import InstanceSpec, Loaded, Problem, compile_schedule, load_many

app = typer.Typer(no_args_is_help=True, help="Check, apply and list schedule files.")
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
    loaded = load_many(texts)
    if output is Format.JSON:
        import json

        print(json.dumps({"problems": [p.as_dict() for p in loaded.problems]}, indent=2))
    elif output is Format.TABLE:
        show_problems(loaded.problems, dict(texts))
    else:
        print_rows([p.as_dict() for p in loaded.problems], _PROBLEM_COLUMNS, output, "path")
    if loaded.problems:
        raise typer.Exit(ExitCode.INVALID_FILE)
    print(f"{len(loaded.instances)} instances, no problems", file=sys.stderr)


@app.command("next")
def show_next(
    file: Annotated[str, typer.Argument(metavar="FILE", help="a schedule file; - is stdin")],
    after: Annotated[str, typer.Option(help="instant to begin after, like 2026-03-08T00:00:00Z")],
    count: Annotated[int, typer.Option(min=1, max=10000, help="how many due times")] = 5,
    instance: Annotated[str | None, typer.Option(help="only this instance")] = None,
    output: Output = Format.TABLE,
) -> None:
    """Print the next due times and their stop times; needs no platform.

    Example: rota schedule next heating.yml --after 2026-03-08T00:00:00Z --count 3 -o json
    """
    moment = _instant(after)
    instances = loaded_or_exit([file]).instances
    if instance is not None:
        instances = tuple(spec for spec in instances if spec.id == instance)
        if not instances:
            raise CliError(f"there is no instance {instance!r}", where=file,
                           exit_code=ExitCode.NOT_FOUND)  # fmt: skip
    rows = sorted(
        (row for spec in instances for row in _due_rows(spec, moment, count)),
        key=lambda row: (row["due"], row["instance"]),
    )
    print_rows(rows[:count], _NEXT_COLUMNS, output, "due")


def _due_rows(spec: InstanceSpec, after: datetime, count: int) -> list[dict[str, object]]:
    calendar = compile_schedule(spec)
    if calendar is None:
        return []
    dues = calendar.due_between(after, datetime.max.replace(tzinfo=after.tzinfo), count)
    return [{"instance": spec.id, "due": due, "stop": calendar.stop_time(due)} for due in dues]


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
            content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        except OSError as error:
            raise CliError(f"cannot read {name}", why=error.strerror,
                           exit_code=ExitCode.USAGE) from error  # fmt: skip
        texts.append((name, content))
    return texts


def show_problems(problems: tuple[Problem, ...], texts: dict[str, bytes]) -> None:
    """Write each problem with the line it stands on, to stderr."""
    for problem in problems:
        place = ":".join(str(p) for p in (problem.file, problem.line, problem.column) if p)
        path = f" ({problem.path})" if problem.path else ""
        print(f"{place}: {problem.code}: {problem.message}{path}", file=sys.stderr)
        lines = texts.get(problem.file, b"").decode("utf-8", "replace").splitlines()
        if problem.line and problem.column and problem.line <= len(lines):
            print(f"    {lines[problem.line - 1][:160]}", file=sys.stderr)
            print(f"    {' ' * min(problem.column - 1, 160)}^", file=sys.stderr)
        if problem.hint:
            print(f"    hint: {problem.hint}", file=sys.stderr)
    if problems:
        print(f"{len(problems)} problems; nothing was changed", file=sys.stderr)


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
    """Add apply and list, which talk to the platform, unless validate or next is called."""
    if not {"validate", "next"} & set(sys.argv[2:3]):
        from cli import schedule_platform

        schedule_platform.add_to(app)


_add_platform_commands()
