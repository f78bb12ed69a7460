"""`rota node`: the machines that run jobs."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.api import Api
from cli.options import SETTINGS, Output
from cli.output import Column, Format, print_one, print_rows

app = typer.Typer(no_args_is_help=True, help="The machines that run jobs.")
NodeId = Annotated[str, typer.Argument(metavar="NODE", help="a node's id")]
_LIST = (
    Column("node", "node"), Column("state", "state"), Column("cpu", "cpu"), Column("ram", "ram"),
    Column("load", "load"), Column("jobs", "jobs"), Column("standalone_job", "alone with"),
    Column("sampled_at", "sampled", is_wide=True), Column("labels", "labels", is_wide=True),
    Column("address", "address", is_wide=True), Column("reason", "reason", is_wide=True),
    Column("error", "error", is_wide=True),
)  # fmt: skip


@app.command("list")
def list_nodes(output: Output = Format.TABLE) -> None:
    """List nodes with their load and their jobs.

    Example: rota node list -o json
    """
    print_rows(_api().items("/nodes"), _LIST, output, "node")


@app.command()
def show(node: NodeId, output: Output = Format.TABLE) -> None:
    """Show one node.

    Example: rota node show m1
    """
    print_one(_api().get(f"/nodes/{node}"), output)


def _api() -> Api:
    return Api.of_user(SETTINGS.timeout_s)
