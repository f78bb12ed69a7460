"""`rota node`: the machines that run jobs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from cli.api import Api
from cli.errors import CliError, ExitCode
from cli.options import SETTINGS, Output, Yes, confirm
from cli.output import Column, Format, print_one, print_rows

_THERE = ["STARTING", "RUNNING", "STOPPING", "UNKNOWN"]
MOST_NAMED = 5
MOST_COUNTED = 10_000

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
        raise CliError("choose one of --move and --force", exit_code=ExitCode.USAGE)
    mode = "move" if move else "force" if force else "wait"
    api = _api()
    jobs = api.items("/jobs", MOST_COUNTED, node=node, state=_THERE)
    print(impact_of(node, mode, jobs), file=sys.stderr)
    confirm(f"Drain {node} ({mode})?", yes=yes)
    api.send("POST", f"/nodes/{node}/drain?mode={mode}")
    print(f"{node} gets nothing new", file=sys.stderr)


@app.command()
def uncordon(node: NodeId) -> None:
    """Use a node again.

    Example: rota node uncordon m2
    """
    _api().send("POST", f"/nodes/{node}/uncordon")
    print(f"{node} is used again", file=sys.stderr)


@app.command()
def remove(node: NodeId, yes: Yes = False) -> None:
    """Take a drained or lost node out of the list; its machine: `rota platform machine remove`.

    Example: rota node remove m2 --yes
    """
    confirm(f"Take {node} out?", yes=yes)
    _api().send("DELETE", f"/nodes/{node}")
    print(f"{node} is taken out", file=sys.stderr)


def impact_of(node: str, mode: str, jobs: Sequence[Mapping[str, Any]]) -> str:
    """Say what a drain does to the jobs that are on a node."""
    if not jobs:
        return f"{node} has no jobs now"
    names = ", ".join(str(job["job_id"]) for job in jobs[:MOST_NAMED])
    more = f" and {len(jobs) - MOST_NAMED} more" if len(jobs) > MOST_NAMED else ""
    told = f"{len(jobs)} {'job' if len(jobs) == 1 else 'jobs'} on {node}: {names}{more}"
    stops = [str(job["stop_at"]) for job in jobs if job["stop_at"]]
    ends = f"they go on to their end, {_by_when(len(jobs) - len(stops), stops)}"
    match mode:
        case "force":
            return f"{told}\nall of them are killed"
        case "move":
            return (
                f"{told}\nthose with `on_node_lost: reschedule` begin anew on other nodes; "
                f"of the others: {ends}"
            )
        case _:
            return f"{told}\n{ends}"


def _by_when(endless: int, stops: Sequence[str]) -> str:
    last = f"at the latest at {max(stops)}" if stops else ""
    without = f"{endless} of them without a stop time" if endless else ""
    return " and ".join(part for part in (last, without) if part)


def _api() -> Api:
    return Api.of_user(SETTINGS.timeout_s)
