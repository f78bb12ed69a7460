"""`rota node`: the machines that run jobs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.api import Api, path_of
from cli.errors import CliError, ExitCode
from cli.options import SETTINGS, Output, Yes, confirm
from cli.output import Column, Format, print_one, print_rows
from common.drains import MOST_COUNTED, THERE, impact_of

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
    print_one(_api().get(path_of("nodes", node)), output, "node")


@app.command()
def drain(
    node: NodeId,
    move: Annotated[bool, typer.Option(help="move its jobs elsewhere where that is safe")] = False,
    force: Annotated[bool, typer.Option(help="kill its jobs")] = False,
    yes: Yes = False,
) -> None:
    """Give a node nothing new; what runs there goes on, is moved, or is killed.

    What that means to its jobs is told before it asks.
    Example: rota node drain m2
    """
    if move and force:
        raise CliError("choose one of --move and --force", where="rota node drain",
                       next_command="rota node drain --help",
                       exit_code=ExitCode.USAGE)  # fmt: skip
    mode = "move" if move else "force" if force else "wait"
    api = _api()
    api.get(path_of("nodes", node))  # of a node that is not there nothing is told and asked
    jobs = api.items("/jobs", MOST_COUNTED, node=node, state=[str(state) for state in THERE])
    print(impact_of(node, mode, jobs), file=sys.stderr)
    confirm(f"Drain {node} ({mode})?", yes=yes)
    api.send("POST", path_of("nodes", node, "drain") + f"?mode={mode}")
    print(f"{node} gets nothing new", file=sys.stderr)


@app.command()
def uncordon(node: NodeId) -> None:
    """Use a node again.

    Example: rota node uncordon m2
    """
    _api().send("POST", path_of("nodes", node, "uncordon"))
    print(f"{node} is used again", file=sys.stderr)


@app.command()
def remove(node: NodeId, yes: Yes = False) -> None:
    """Take a drained or lost node out of the list; its machine: `rota platform machine remove`.

    Example: rota node remove m2 --yes
    """
    confirm(f"Take {node} out?", yes=yes)
    _api().send("DELETE", path_of("nodes", node))
    print(f"{node} is taken out", file=sys.stderr)


def _api() -> Api:
    return Api.of_user(SETTINGS.timeout_s)
