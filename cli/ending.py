"""How a call of the command ends: its exit code, its errors in words, and a terminal left in order.

Typer would write usage errors in a form of its own, and end with 1 when a pipe's reader has gone.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from cli.errors import CliError, ExitCode, print_error

READER_GONE = 141
TERMINATED = 143


class ReaderGoneError(Exception):
    """Whoever read our stdout has had enough, like `head`."""


class Root(TyperGroup):
    """The root command: what is printed is out, or known not to be wanted, when it returns."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; raises `ReaderGoneError`."""
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except BrokenPipeError as error:
            raise ReaderGoneError from error


def run(app: typer.Typer) -> int:
    """Run the command that was called and return its exit code; a person never sees a traceback."""
    try:
        return int(app(prog_name="rota", standalone_mode=False) or 0)
    except CliError as error:
        print_error(error)
        return error.exit_code
    except TyperException as error:
        return _tell_usage(error)
    except typer.Abort:
        print_error(CliError("the input ended before it was answered",
                             next_command="the same with --yes or --no-input"))  # fmt: skip
        return ExitCode.USAGE
    except ReaderGoneError:
        # What is still buffered has no reader either; nothing is to complain of that at the end.
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - to the end
        return READER_GONE
    except Exception as error:  # noqa: BLE001 - whatever it is, a person reads one line
        print_error(_unexpected(error))
        return ExitCode.UNEXPECTED


@contextmanager
def left_in_order() -> Iterator[None]:
    """Let SIGTERM unwind what draws on the terminal, as Ctrl-C does; ends with 143."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        sys.exit(TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell_usage(error: TyperException) -> int:
    said = error.format_message()
    if said.startswith("Usage:"):  # a group without a verb: its help
        print(said, file=sys.stderr)
        return error.exit_code
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "rota"
    print_error(CliError(said[:1].lower() + said[1:].rstrip("."), where=command,
                         next_command=f"{command} --help"))  # fmt: skip
    return error.exit_code


def _unexpected(error: Exception) -> CliError:
    import traceback

    if os.environ.get("ROTA_DEBUG"):
        traceback.print_exc()
    return CliError(
        f"{type(error).__name__}: {error}",
        why="this is a mistake of ours",
        next_command="the same with ROTA_DEBUG=1 shows where; please report it",
    )
