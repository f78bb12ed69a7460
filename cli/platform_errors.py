"""The initializer's errors as a person reads them, with the exit codes of every command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

from cli.errors import CliError, ExitCode, print_error
from common.errors import ConfigError, Permanent, Retryable
from common.ssh import HostKeyError, SshAuthenticationError
from platform_initializer.document import DocumentError
from platform_initializer.domain.choosing import LimitError
from platform_initializer.errors import (
    Failure,
    LockHeldError,
    MachineError,
    NotConvergedError,
    PartlyDoneError,
    folded,
)
from platform_initializer.revisions import NoRevisionError
from platform_initializer.saved_plan import PlanChangedError


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the initializer raises into words and an exit code."""
    try:
        yield
    except DocumentError as error:
        _show_problems(error)
        raise typer.Exit(ExitCode.INVALID_FILE) from error
    except PartlyDoneError as error:
        _show_failures(error)
        raise typer.Exit(_code_of(error)) from error
    except MachineError as error:
        raise cli_error((error.failure.machine,), error.failure) from error
    except (LockHeldError, NotConvergedError, PlanChangedError, LimitError) as error:
        raise _conflict(error) from error
    except OSError as error:
        raise CliError(f"cannot read {error.filename}", why=error.strerror,
                       exit_code=ExitCode.USAGE) from error  # fmt: skip
    except ConfigError as error:
        raise CliError(str(error), exit_code=ExitCode.INVALID_FILE) from error
    except NoRevisionError as error:
        raise CliError(str(error), next_command="rota platform revisions",
                       exit_code=ExitCode.NOT_FOUND) from error  # fmt: skip
    except (HostKeyError, SshAuthenticationError, Retryable) as error:
        raise CliError(str(error), exit_code=ExitCode.UNREACHABLE) from error


def _conflict(error: Permanent) -> CliError:
    """Tell what stands against going on, although every machine answers."""
    match error:
        case LockHeldError():
            return CliError(str(error), why="two at once would undo each other",
                            next_command="wait for it to end, then run this again",
                            exit_code=ExitCode.CONFLICT)  # fmt: skip
        case NotConvergedError():
            return CliError(str(error), next_command="run it again; if it stays, please report it",
                            exit_code=ExitCode.PARTLY_DONE)  # fmt: skip
        case PlanChangedError():
            return CliError(str(error), why="; ".join(error.changed[:8]) + _more(error.changed[8:]),
                            next_command="plan -o FILE, look at it, then up --plan FILE",
                            exit_code=ExitCode.CONFLICT)  # fmt: skip
        case _:
            return CliError(str(error), exit_code=ExitCode.CONFLICT)


def _more(rest: Sequence[str]) -> str:
    return f" and {len(rest)} more" if rest else ""


def cli_error(machines: tuple[str, ...], failure: Failure) -> CliError:
    """Write one failure of one or several machines."""
    why = failure.why
    if failure.command:
        why += f"\n         ran: {failure.command.strip().splitlines()[0][:160]}"
        if failure.exit_code is not None:
            why += f" (exit code {failure.exit_code})"
    for line in failure.last_lines:
        why += f"\n         | {line[:200]}"
    return CliError(f"{failure.what} did not succeed", where=", ".join(machines), why=why,
                    next_command=failure.next_step, exit_code=ExitCode.UNREACHABLE)  # fmt: skip


def _show_failures(error: PartlyDoneError) -> None:
    import sys

    for machines, failure in folded(error.failures):
        print_error(cli_error(machines, failure))
    print(f"{len(error.failures)} failed, {error.done} changes were made; running the same command"
          " again goes on from here", file=sys.stderr)  # fmt: skip


def _code_of(error: PartlyDoneError) -> ExitCode:
    has_begun = error.done or error.has_begun
    return ExitCode.PARTLY_DONE if has_begun else ExitCode.UNREACHABLE


def _show_problems(error: DocumentError) -> None:
    from cli.schedule import show_problems

    names = {problem.file for problem in error.problems}
    show_problems(error.problems, dict.fromkeys(names, error.payload))
