"""`rota token`: what programs log in with."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.api import Api
from cli.options import SETTINGS, Output, Role, RoleOption, Yes, confirm
from cli.output import Column, Format, print_rows

app = typer.Typer(no_args_is_help=True, help="API tokens: what programs log in with.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="a token's name")]
_LIST = (
    Column("name", "name"), Column("role", "role"), Column("created_by", "by"),
    Column("created_at", "made"), Column("last_used_at", "last used"),
)  # fmt: skip


@app.command("list")
def list_tokens(output: Output = Format.TABLE) -> None:
    """List API tokens, without their secrets.

    Example: rota token list
    """
    print_rows(_api().items("/tokens"), _LIST, output, "name")


@app.command()
def add(name: Name, role: RoleOption = Role.VIEWER) -> None:
    """Make an API token; its secret goes to stdout, once, and is kept nowhere.

    Example: rota token add grafana --role viewer > token
    """
    made = _api().send("POST", "/tokens", {"name": name, "role": role}).body
    print(made["token"])
    print(f"{name} may do what a {made['role']} may; this is shown once", file=sys.stderr)


@app.command()
def revoke(name: Name, yes: Yes = False) -> None:
    """Revoke a token at once; whatever uses it is refused from then on.

    Example: rota token revoke grafana --yes
    """
    confirm(f"Revoke the token {name}?", yes=yes)
    _api().send("DELETE", f"/tokens/{name}")
    print(f"{name} is revoked", file=sys.stderr)


def _api() -> Api:
    return Api.of_user(SETTINGS.timeout_s)
