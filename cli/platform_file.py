"""The options that all commands of `rota platform` share, and which file they mean."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.errors import CliError, ExitCode
from cli.output import Format
from platform_initializer.domain.description import Description, local_description

File = Annotated[Path | None, typer.Option("-f", "--file", help="the platform's file")]
Output = Annotated[Format, typer.Option("-o", "--output", help="how to print")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask")]
DEFAULT = Path("platform.yml")


def described(file: Path | None) -> Description:
    """Read the file; without one (and no platform.yml here) this one machine is meant."""
    from platform_initializer.document import load_description

    if file is None and not DEFAULT.exists():
        return local_description(Path.cwd() / ".rota")
    return load_description(file or DEFAULT)


def confirm(question: str, *, yes: bool, word: str | None = None) -> None:
    """Ask before what cannot be undone; `word` is to be typed where data is lost.

    Raises `CliError` at a no, and where nobody can be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise CliError("this needs a yes", next_command="the same with --yes",
                       exit_code=ExitCode.USAGE)  # fmt: skip
    hint = "[y/N]" if word is None else f"Type {word} to go on:"
    answer = input(f"{question} {hint} ").strip()
    if answer != word and (word is not None or answer.lower() not in {"y", "yes"}):
        raise CliError("nothing was changed", exit_code=ExitCode.USAGE)
