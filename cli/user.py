"""`rota user`: who may log in."""

from __future__ import annotations

import sys
from getpass import getpass
from pathlib import Path
from typing import Annotated

import typer

from cli.api import Api, path_of
from cli.errors import CliError, ExitCode
from cli.options import SETTINGS, Output, Role, RoleOption, Yes, confirm
from cli.output import Column, Format, print_rows

app = typer.Typer(no_args_is_help=True, help="Who may log in.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="a user's name")]
PasswordFile = Annotated[
    str | None, typer.Option(metavar="FILE", help="holds the password; - is stdin")
]
_LIST = (
    Column("name", "name"), Column("role", "role"), Column("is_disabled", "disabled"),
    Column("created_at", "since"),
)  # fmt: skip


@app.command("list")
def list_users(output: Output = Format.TABLE) -> None:
    """List who may log in.

    Example: rota user list
    """
    print_rows(_api().items("/users"), _LIST, output, "name")


@app.command()
def add(name: Name, role: RoleOption = Role.VIEWER, password_file: PasswordFile = None) -> None:
    """Make a user; the password is asked for, or read from a file.

    Example: rota user add anna --role operator --password-file -
    """
    body = {"name": name, "role": role, "password": _password(password_file)}
    _api().send("POST", "/users", body)
    print(f"{name} may log in as {role}", file=sys.stderr)


@app.command()
def change(
    name: Name,
    role: Annotated[Role | None, typer.Option(help="what it may do")] = None,
    password_file: PasswordFile = None,
    disabled: Annotated[bool | None, typer.Option("--disable/--enable")] = None,
) -> None:
    """Change a user's role, password or state; all of its sessions end.

    Example: rota user change anna --role admin
    Example: rota user change anna --disable
    """
    body = {"role": role, "is_disabled": disabled,
            "password": _password(password_file) if password_file else None}  # fmt: skip
    if not any(value is not None for value in body.values()):
        raise CliError("nothing to change was given",
                       next_command="rota user change NAME --role ROLE | --disable | --enable | "
                       "--password-file FILE", exit_code=ExitCode.USAGE)  # fmt: skip
    _api().send("PATCH", path_of("users", name), body)
    print(f"{name} is changed; its sessions have ended", file=sys.stderr)


@app.command()
def remove(name: Name, yes: Yes = False) -> None:
    """Remove a user; what it did stays in the audit.

    Example: rota user remove anna --yes
    """
    confirm(f"Remove the user {name}?", yes=yes)
    _api().send("DELETE", path_of("users", name))
    print(f"{name} is removed", file=sys.stderr)


def _password(path: str | None) -> str:
    """Read a password: from a file, from stdin, or from the person."""
    if path == "-":
        found = sys.stdin.readline().rstrip("\n")
    elif path:
        try:
            found = Path(path).read_text(encoding="utf-8").rstrip("\n")
        except OSError as error:
            raise CliError(f"cannot read {path}", why=error.strerror,
                           exit_code=ExitCode.USAGE) from error  # fmt: skip
    elif sys.stdin.isatty() and SETTINGS.may_ask:
        found = getpass("Password: ")
    else:
        found = ""
    if not found:
        raise CliError("no password was given", next_command="the same with --password-file FILE",
                       exit_code=ExitCode.USAGE)  # fmt: skip
    return found


def _api() -> Api:
    return Api.of_user(SETTINGS.timeout_s)
