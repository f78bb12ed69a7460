"""`rota audit`: who did what."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.api import Api
from cli.options import SETTINGS, Output
from cli.output import Column, Format, print_rows

app = typer.Typer(no_args_is_help=True, help="Who did what.")
_LIST = (
    Column("at", "at"), Column("actor", "who"), Column("action", "did"),
    Column("target", "to what"), Column("detail", "detail"),
)  # fmt: skip


@app.callback()
def group() -> None:
    """Who did what."""


@app.command("list")
def list_audit(
    target: Annotated[str | None, typer.Option(help="only what was done to this")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="at most so many")] = 50,
    output: Output = Format.TABLE,
) -> None:
    """List what people and programs changed, newest first.

    Example: rota audit list --target hostel-a-heating
    """
    api = Api.of_user(SETTINGS.timeout_s)
    print_rows(api.items("/audit", limit, target=target), _LIST, output, "audit_id")
