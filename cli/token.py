"""`rota token`: what programs log in with."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, Any

import typer

from cli.api import Api, path_of
from cli.options import SETTINGS, Output, Yes, confirm
from cli.output import Column, Format, print_rows

app = typer.Typer(no_args_is_help=True, help="API tokens: what programs log in with.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="a token's name")]


class TokenRole(StrEnum):
    """What a token opens: what a user of that role may, or one calendar and nothing else."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    CALENDAR = "calendar"


RoleOption = Annotated[TokenRole, typer.Option(help="what it may do; calendar: a secret .ics link")]
Instance = Annotated[str | None, typer.Option(help="the calendar of this instance alone")]
Application = Annotated[str | None, typer.Option(help="the calendar of this application alone")]
_LIST = (
    Column("name", "name"), Column("role", "role"), Column("shows", "shows"),
    Column("created_by", "by"),
    Column("created_at", "made"), Column("last_used_at", "last used"),
)  # fmt: skip


@app.command("list")
def list_tokens(output: Output = Format.TABLE) -> None:
    """List API tokens, without their secrets.

    Example: rota token list
    """
    print_rows(_api().items("/tokens"), _LIST, output, "name")


@app.command()
def add(
    name: Name,
    role: RoleOption = TokenRole.VIEWER,
    instance: Instance = None,
    application: Application = None,
) -> None:
    """Make an API token; its secret goes to stdout, once, and is kept nowhere.

    With --role calendar it is a link for calendar programs: whoever has it sees the due times of
    the next 30 days, of one instance, of one application or of all, and nothing else.

    Example: rota token add grafana --role viewer > token
    """
    wanted: dict[str, Any] = {"name": name, "role": role}
    wanted |= {"instance": instance} if instance is not None else {}
    wanted |= {"application": application} if application is not None else {}
    api = _api()
    made = api.send("POST", "/tokens", wanted).body
    if role is TokenRole.CALENDAR:
        print(api.address_of(made["path"]))
        told = f"whoever has this link sees the calendar, until: rota token revoke {name}"
        print(f"{told}; it is shown once", file=sys.stderr)
        return
    print(made["token"])
    print(f"{name} may do what {made['role']}s may; this is shown once", file=sys.stderr)


@app.command()
def revoke(name: Name, yes: Yes = False) -> None:
    """Revoke a token at once; whatever uses it is refused from then on.

    Example: rota token revoke grafana --yes
    """
    confirm(f"Revoke the token {name}?", yes=yes)
    _api().send("DELETE", path_of("tokens", name))
    print(f"{name} is revoked", file=sys.stderr)


def _api() -> Api:
    return Api.of_user(SETTINGS.timeout_s)
