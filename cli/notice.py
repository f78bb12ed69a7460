"""`rota notice`: who is told when jobs go wrong, and what they were told."""

from __future__ import annotations

import sys
import time
from enum import StrEnum
from typing import Annotated, Any

import typer

from cli.api import Api, path_of
from cli.errors import CliError, ExitCode
from cli.options import SETTINGS, Output, Yes, confirm
from cli.output import Column, Format, print_rows

app = typer.Typer(no_args_is_help=True, help="Who is told when jobs go wrong.")
LOOK_EVERY_S = 0.5
_LIST = (
    Column("created_at", "at"), Column("job_id", "job"), Column("kind", "what"),
    Column("channel", "by"), Column("url", "to"), Column("state", "state"),
    Column("tries", "tries"), Column("error", "error", is_wide=True),
    Column("next_try_at", "next try", is_wide=True),
)  # fmt: skip
_CHANNELS = (
    Column("name", "name"), Column("channel", "by"), Column("to", "to"), Column("on", "on"),
    Column("from", "from"), Column("told", "last notice"), Column("at", "at"),
    Column("why", "error", is_wide=True), Column("waiting", "waiting", is_wide=True),
)  # fmt: skip
Name = Annotated[str, typer.Argument(metavar="NAME", help="a channel's name")]


class Kind(StrEnum):
    """What a channel may be told of."""

    FAILED = "failed"
    MISSED = "missed"
    LATE = "late"
    OVERRAN = "overran"
    RECOVERED = "recovered"


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


@app.command()
def channels(output: Output = Format.TABLE) -> None:
    """List whom notices go to: the platform's channels, and those of schedule files.

    Example: rota notice channels -o wide
    """
    items = _api().items("/notices/channels")
    if output is Format.NAME:
        items = [item for item in items if item["name"]]
    is_shown = output in (Format.TABLE, Format.WIDE)
    print_rows([_shown(item) for item in items] if is_shown else items, _CHANNELS, output, "name")


@app.command()
def add(
    name: Name,
    url: Annotated[str | None, typer.Option(help="a webhook: where to post")] = None,
    mail: Annotated[str | None, typer.Option(help="an address to write to")] = None,
    on: Annotated[list[Kind] | None, typer.Option(help="of what; failed and missed")] = None,
) -> None:
    """Tell an address of whatever goes wrong with any instance from now on.

    Example: rota notice add ops --url https://hooks.example/ops
    Example: rota notice add night --mail night@example.org --on failed --on late
    """
    if (url is None) is (mail is None):
        raise CliError("a channel is one address: a webhook's or somebody's mail",
                       next_command="rota notice add NAME --url URL, or --mail ADDRESS",
                       exit_code=ExitCode.USAGE)  # fmt: skip
    body: dict[str, Any] = {"name": name, "url": url, "mail": mail}
    body |= {"on": [str(kind) for kind in on]} if on else {}
    _api().send("POST", "/notices/channels", body)
    print(f"{name} is told; see that it comes: rota notice test {name}", file=sys.stderr)


@app.command()
def remove(name: Name, yes: Yes = False) -> None:
    """Tell a channel nothing more; one of a schedule file goes with its next apply.

    Example: rota notice remove ops --yes
    """
    confirm(f"Tell {name} nothing more?", yes=yes)
    _api().send("DELETE", path_of("notices", "channels", name))
    print(f"{name} is told nothing more", file=sys.stderr)


@app.command("test")
def send_test(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="a channel's name")] = None,
    instance: Annotated[
        str | None, typer.Option(help="instead: whom this instance's schedule file names")
    ] = None,
) -> None:
    """Send a test notice, and tell whether it was taken; exit 8 if it was not.

    Example: rota notice test ops
    Example: rota notice test --instance hostel-a-heating
    """
    if (name is None) is (instance is None):
        raise CliError("what is to be tried: a channel, or an instance's own?",
                       next_command="rota notice channels", exit_code=ExitCode.USAGE)  # fmt: skip
    api = _api()
    asked = api.send("POST", "/notices/test", {"name": name, "instance": instance}).body
    _tell(name or instance or "", _tried(api, asked["event_id"]))


def _tried(api: Api, event_id: int) -> list[dict[str, Any]]:
    """Wait until each notice of a test was tried, or the time is up."""
    deadline = time.monotonic() + SETTINGS.timeout_s
    while True:
        found = [each for each in api.items("/notices", 100) if each["event_id"] == event_id]
        is_over = all(each["state"] != "waiting" for each in found)
        if is_over or time.monotonic() > deadline:
            return found
        time.sleep(LOOK_EVERY_S)


def _tell(what: str, found: list[dict[str, Any]]) -> None:
    wrong = [each for each in found if each["state"] != "sent"]
    for each in found:
        said = "took it" if each["state"] == "sent" else each["error"] or "was not asked yet"
        print(f"{each['url']}: {said}", file=sys.stderr)
    if wrong:
        raise CliError(f"{len(wrong)} of {len(found)} did not take the test notice", where=what,
                       why=wrong[0]["error"] or "the application manager has not tried it yet",
                       next_command="rota notice channels -o wide",
                       exit_code=ExitCode.PARTLY_DONE)  # fmt: skip


def _shown(item: dict[str, Any]) -> dict[str, Any]:
    """Write a channel as a person reads it: where it comes from, how its last notice went."""
    last, files = item["last"], item["instance_count"]
    more = f" and {files - 1} more" if files and files > 1 else ""
    return {
        **item,
        "from": item["created_by"] or f"the file of {item['instances'][0]}{more}",
        "told": f"{last['kind']} {last['state']}" if last else None,
        "at": last["created_at"] if last else None,
        "why": last["error"] if last else None,
    }


def _api() -> Api:
    return Api.of_user(SETTINGS.timeout_s)
