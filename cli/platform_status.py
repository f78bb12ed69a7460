"""`rota platform status`: what runs where, once or drawn anew until Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.options import Output
from cli.output import Column, Format, print_one, print_rows, text_of
from cli.platform_errors import translated
from cli.platform_file import File, described
from common.clock import SystemClock
from common.ssh.paramiko_door import ParamikoDoor
from platform_initializer.domain.description import Description

app = typer.Typer()
_SERVICES = (
    Column("machine", "machine"), Column("service", "service"), Column("state", "state"),
    Column("health", "health"), Column("restarts", "restarts"), Column("image", "image"),
    Column("started_at", "started", is_wide=True), Column("detail", "detail", is_wide=True),
)  # fmt: skip
_MACHINES = (
    Column("machine", "machine"), Column("address", "address"), Column("state", "state"),
    Column("docker", "docker"), Column("cpus", "cpus"), Column("memory_mb", "memory MiB"),
    Column("detail", "detail", is_wide=True),
)  # fmt: skip
_COLOURS = {"ready": "green", "healthy": "green", "running": "green", "reachable": "green",
            "not ready": "bold red", "unhealthy": "bold red", "unreachable": "bold red",
            "exited": "bold red", "restarting": "yellow", "absent": "yellow"}  # fmt: skip


@app.command()
def status(
    file: File = None,
    output: Output = Format.TABLE,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="draw it anew until Ctrl-C")] = False,
    every_s: Annotated[float, typer.Option("--every", min=0.5, help="seconds between looks")] = 2.0,
    rounds: Annotated[int | None, typer.Option(min=1, help="end after so many looks")] = None,
) -> None:
    """Show what runs where, as the machines themselves say it.

    Example: rota platform status --watch
    """
    from platform_initializer import status as work

    with translated():
        description = described(file)
        if watch:
            _watch(description, every_s, rounds)
            return
        found = work.status(description, ParamikoDoor())
    if output in {Format.JSON, Format.YAML}:
        print_one(found, output)
        return
    if output is Format.NAME:
        print_rows(found["services"], _SERVICES, output, "service")
        return
    print(f"{_headline(found)}\n")
    print_rows(found["machines"], _MACHINES, output, "machine")
    print()
    print_rows(found["services"], _SERVICES, output, "service")


def picture(found: Mapping[str, Any], at: str) -> Any:
    """Put both tables together; what is not well stands out by colour and by word."""
    from rich.console import Group
    from rich.text import Text

    services = [one for one in found["services"] if one["health"] not in {"ready", "healthy"}]
    well = len(found["services"]) - len(services)
    line = f"{at}  {well} of {len(found['services'])} services are well"
    return Group(Text(_headline(found), style="bold"), "", _table(found["machines"], _MACHINES), "",
                 _table(found["services"], _SERVICES), "", Text(line, style="dim"))  # fmt: skip


def _watch(description: Description, every_s: float, rounds: int | None) -> None:
    from rich.console import Console
    from rich.live import Live

    from platform_initializer import status as work

    console = Console()
    with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
        drawn = 0
        while rounds is None or drawn < rounds:
            at = f"{SystemClock().now().astimezone():%H:%M:%S}"
            live.update(picture(work.status(description, ParamikoDoor()), at), refresh=True)
            drawn += 1
            if drawn != rounds:
                time.sleep(every_s)


def _headline(found: Mapping[str, Any]) -> str:
    return (f"platform {found['platform']}   page {found['url'] or '-'}"
            f"   kafka {found['kafka'] or '-'}")  # fmt: skip


def _table(rows: list[dict[str, Any]], columns: tuple[Column, ...]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    has_detail = any(row.get("detail") for row in rows)
    shown = [column for column in columns
             if not column.is_wide or (column.key == "detail" and has_detail)]  # fmt: skip
    for column in shown:
        table.add_column(column.title.upper(), no_wrap=column.key != "detail")
    for row in rows:
        cells = [text_of(row.get(column.key)) for column in shown]
        table.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in cells))
    return table
