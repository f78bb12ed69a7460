"""What every verb shares: how to print, whether to ask, and how long to wait."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from cli.errors import CliError, ExitCode
from cli.output import Format


class Role(StrEnum):
    """Each may do what the one before it may: look, act, say who may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


Output = Annotated[Format, typer.Option("-o", "--output", help="how to print")]
RoleOption = Annotated[Role, typer.Option(help="what it may do")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="do not ask")]


@dataclass
class Settings:
    """The options before the verb; written once, by the root command."""

    timeout_s: float = 30.0
    may_ask: bool = True


SETTINGS = Settings()


def confirm(question: str, *, yes: bool) -> None:
    """Go on if the person says so; without a terminal only with `--yes`."""
    if yes:
        return
    if not SETTINGS.may_ask or not sys.stdin.isatty():
        raise CliError(f"{question} Nobody is here to say so.",
                       next_command="the same with --yes", exit_code=ExitCode.USAGE)  # fmt: skip
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CliError("nothing was changed", exit_code=ExitCode.CONFLICT)
