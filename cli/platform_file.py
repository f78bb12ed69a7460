"""The options that all commands of `rota platform` share, and which file they mean."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.errors import CliError, ExitCode
from cli.options import SETTINGS
from platform_initializer.domain.description import Description, local_description

File = Annotated[Path | None, typer.Option("-f", "--file", help="the platform's file")]
DEFAULT = Path("platform.yml")


def described(file: Path | None) -> Description:
    """Read the file; without one (and no platform.yml here) this one machine is meant."""
    from platform_initializer.document import load_description

    if file is None and not DEFAULT.exists():
        return local_description(Path.cwd() / ".rota")
    return load_description(file or DEFAULT)


def confirm_by_name(question: str, name: str, *, yes: bool) -> None:
    """Ask for a name to be typed before data is lost; raises `CliError` at anything else."""
    if yes:
        return
    if not SETTINGS.may_ask or not sys.stdin.isatty():
        raise CliError(f"{question} Nobody is here to say so.",
                       next_command="the same with --yes", exit_code=ExitCode.USAGE)  # fmt: skip
    print(f"{question} Type {name} to go on: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != name:
        raise CliError("nothing was changed", exit_code=ExitCode.CONFLICT)
