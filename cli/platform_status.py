"""`rota platform status`: what runs where and what is wanted, once or anew until Ctrl-C."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from cli.ending import left_in_order
from cli.options import Output
from cli.output import Column, Format, print_one, print_rows, text_of
from cli.platform_errors import translated
from cli.platform_file import File, described
from common.clock import SystemClock
from common.ssh.paramiko_door import ParamikoDoor
from platform_initializer.domain.description import Description

app = typer.Typer()
_SERVICES = (
    Column("machine", "machine"), Column("service", "service"),
    Column("state", "state", is_wide=True), Column("health", "health"),
    Column("restarts", "restarts"), Column("image", "image"), Column("shown_wanted", "wanted"),
    Column("spec", "spec", is_wide=True), Column("wanted_spec", "wanted spec", is_wide=True),
    Column("started_at", "started", is_wide=True), Column("heartbeat_age_s", "beat s"),
    Column("drift", "drift"), Column("detail", "detail", is_wide=True),
)  # fmt: skip
_MACHINES = (
    Column("machine", "machine"), Column("address", "address"), Column("state", "state"),
    Column("docker", "docker"), Column("cpus", "cpus"), Column("memory_mb", "memory MiB"),
    Column("heartbeat_age_s", "beat s"), Column("drift", "drift"),
    Column("detail", "detail", is_wide=True),
)  # fmt: skip
_COLOURS = {"ready": "green", "healthy": "green", "running": "green", "reachable": "green",
            "not ready": "bold red", "unhealthy": "bold red", "unreachable": "bold red",
            "exited": "bold red", "restarting": "yellow", "absent": "yellow",
            "none": "green"}  # fmt: skip


@app.command()
def status(
    file: File = None,
    output: Output = Format.TABLE,
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="draw it anew until Ctrl-C")] = False,
    every_s: Annotated[float, typer.Option("--every", min=0.5, help="seconds between looks")] = 2.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="as -o json; with --watch one object a line")
    ] = False,
    rounds: Annotated[int | None, typer.Option(min=1, help="end after so many looks")] = None,
) -> None:
    """Show what runs where, as the machines themselves say it, beside what the file wants.

    BEAT S is the age of the last heartbeat in seconds; DRIFT is what `up` would put right, in the
    words of `rota platform plan`: `none` if nothing, `-` if it could not be compared.

    Example: rota platform status --watch
    """
    from platform_initializer import status as work

    with translated():
        description = described(file)
        if watch:
            _watch(description, every_s, rounds, as_json=as_json)
            return
        found = work.status(description, ParamikoDoor())
    show(found, Format.JSON if as_json else output)


def show(found: Mapping[str, Any], output: Format) -> None:
    """Print one look."""
    if output in {Format.JSON, Format.YAML}:
        print_one(found, output)
        return
    services = _with_wanted(found["services"])
    if output is Format.NAME:
        print_rows(services, _SERVICES, output, "service")
        return
    print(f"{_headline(found)}\n")
    print_rows(found["machines"], _MACHINES, output, "machine")
    print()
    print_rows(services, _SERVICES, output, "service")


def picture(found: Mapping[str, Any], at: str) -> Any:
    """Put both tables together; what is not well stands out by colour and by word."""
    from rich.console import Group
    from rich.text import Text

    rows = _with_wanted(found["services"])
    well = sum(one["health"] in {"ready", "healthy"} for one in rows)
    line = f"{at}  {well} of {len(rows)} services are well"
    drifted = sum(one.get("drift") not in {None, "none"} for one in [*rows, *found["machines"]])
    if drifted:
        line += f", {drifted} differ from what is wanted: rota platform plan"
    return Group(Text(_headline(found), style="bold"), "", _table(found["machines"], _MACHINES), "",
                 _table(rows, _SERVICES), "", Text(line, style="dim"))  # fmt: skip


def _watch(
    description: Description, every_s: float, rounds: int | None, *, as_json: bool
) -> None:
    from rich.console import Console
    from rich.live import Live

    from platform_initializer import status as work

    def look() -> dict[str, Any]:
        return work.status(description, ParamikoDoor())

    turns = itertools.count() if rounds is None else range(rounds)
    if as_json:
        for turn in turns:
            time.sleep(every_s if turn else 0.0)
            print(json.dumps(look(), ensure_ascii=False), flush=True)
        return
    console = Console()
    shown = Live(console=console, screen=console.is_terminal, auto_refresh=False)
    with left_in_order(), shown as live:
        for turn in turns:
            time.sleep(every_s if turn else 0.0)
            at = f"{SystemClock().now().astimezone():%H:%M:%S}"
            live.update(picture(look(), at), refresh=True)


def _with_wanted(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Add the wanted image as a person reads it: `same` where the wanted one runs."""
    return [
        {**row, "shown_wanted": "same" if row.get("wanted_image") == row["image"] else
         row.get("wanted_image")}
        for row in rows
    ]  # fmt: skip


def _headline(found: Mapping[str, Any]) -> str:
    line = (f"platform {found['platform']}   page {found['url'] or '-'}"
            f"   kafka {found['kafka'] or '-'}")  # fmt: skip
    unknown = found.get("not_compared")
    return f"{line}\nwhat is wanted could not be compared: {unknown}" if unknown else line


def _table(rows: list[dict[str, Any]], columns: tuple[Column, ...]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    has_detail = any(row.get("detail") for row in rows)
    shown = [column for column in columns
             if not column.is_wide or (column.key == "detail" and has_detail)]  # fmt: skip
    for column in shown:
        table.add_column(column.title.upper(), no_wrap=column.key not in {"detail", "drift"})
    for row in rows:
        cells = [text_of(row.get(column.key)) for column in shown]
        table.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in cells))
    return table
