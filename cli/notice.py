"""`rota notice`: who is told when jobs go wrong, and what they were told."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.api import Api
from cli.options import SETTINGS, Output
from cli.output import Column, Format, print_rows

app = typer.Typer(no_args_is_help=True, help="Who is told when jobs go wrong.")
_LIST = (
    Column("created_at", "at"), Column("job_id", "job"), Column("kind", "what"),
    Column("channel", "by"), Column("url", "to"), Column("state", "state"),
    Column("tries", "tries"), Column("error", "error", is_wide=True),
    Column("next_try_at", "next try", is_wide=True),
)  # fmt: skip


@app.callback()
def group() -> None:
    """Who is told when jobs go wrong."""


@app.command("list")
def list_notices(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="at most so many")] = 50,
    output: Output = Format.TABLE,
) -> None:
    """List what was told to whom, or could not be told, newest first.

    Example: rota notice list -o wide
    """
    print_rows(_api().items("/notices", limit), _LIST, output, "notice_id")


def _api() -> Api:
    return Api.of_user(SETTINGS.timeout_s)
