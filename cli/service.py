"""`rota service`: the platform's own processes."""

from __future__ import annotations

import typer

from cli.api import Api
from cli.options import SETTINGS, Output
from cli.output import Column, Format, print_rows

app = typer.Typer(no_args_is_help=True, help="The platform's own processes.")
_LIST = (
    Column("service", "service"), Column("replica", "replica"), Column("state", "state"),
    Column("age_s", "heard s ago"), Column("host", "host"), Column("started_at", "started"),
    Column("build", "build", is_wide=True), Column("health", "health", is_wide=True),
    Column("figures", "figures", is_wide=True),
)  # fmt: skip


@app.callback()
def group() -> None:
    """The platform's own processes."""


@app.command("list")
def list_services(output: Output = Format.TABLE) -> None:
    """List services with the age of their last heartbeat.

    Example: rota service list -o wide
    """
    print_rows(Api.of_user(SETTINGS.timeout_s).items("/services"), _LIST, output, "replica")
