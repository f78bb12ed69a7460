"""What every command that changes a platform shares: watched, audited, told at the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from cli.errors import CliError, ExitCode
from cli.output import Format
from cli.platform_errors import translated
from cli.platform_events import JsonProgress
from cli.platform_progress import watching
from common.clock import SystemClock
from common.ssh.paramiko_door import ParamikoDoor
from platform_initializer.audit import Note, audited
from platform_initializer.domain.description import Description
from platform_initializer.preview import Preview
from platform_initializer.progress import Progress
from platform_initializer.saved_plan import make_plan, save_plan
from platform_initializer.sealing import ask_beforehand
from platform_initializer.up import Result, Wishes
from platform_initializer.up import up as carry_out

Limit = Annotated[
    list[str] | None,
    typer.Option("--limit", metavar="MACHINE", help="only this one; again for more"),
]  # fmt: skip


@contextmanager
def running(
    description: Description, command: str, *, as_json: bool = False
) -> Iterator[tuple[Progress, Note]]:
    """Show the work, write the audit, and turn what goes wrong into words."""
    with translated():
        ask_beforehand(description.store)
    with translated(), audited(description.store, command, SystemClock()) as note:
        if as_json:
            yield JsonProgress(), note
            return
        with watching() as progress:
            yield progress, note


def bring_up(description: Description, wishes: Wishes, *, as_json: bool = False) -> Result:
    """Run `up` with these wishes and tell how it went."""
    from cli.connection import save_connection

    with running(description, wishes.command, as_json=as_json) as (progress, note):
        result = carry_out(description, ParamikoDoor(), progress, wishes)
        note.changes = result.steps_done
    save_connection(result.url, result.token, result.ca_file)
    if as_json:
        print(json.dumps({"event": "result", "changes": result.steps_done, "url": result.url,
                          "seconds": round(result.seconds, 1)}), flush=True)  # fmt: skip
    elif result.steps_done:
        print(f"{result.steps_done} changes, {result.seconds:.0f} s", file=sys.stderr)
    else:
        print(f"nothing to change ({result.seconds:.1f} s)", file=sys.stderr)
    out = sys.stderr if as_json else sys.stdout
    print(f"the page: {result.url}", file=out)
    print(f"its certificate is vouched for by {result.ca_file}   (import it into your browser)",
          file=out)  # fmt: skip
    if result.is_first:
        print(f"log in as: admin\npassword: {result.admin_password}   (shown this once)", file=out)
    return result


def format_or_file(text: str) -> tuple[Format, Path | None]:
    """Read what `plan -o` was given: a format, or a file to save to."""
    if text in set(Format):
        return Format(text), None
    if "." in text or "/" in text:
        return Format.TABLE, Path(text)
    raise CliError(f"-o takes {', '.join(Format)} or a file, not {text!r}",
                   next_command=f"rota platform plan -o {text}.plan saves the plan",
                   exit_code=ExitCode.USAGE)  # fmt: skip


def save_to(path: Path | None, found: Preview) -> None:
    """Save a plan where a file was named."""
    if path is None:
        return
    if found.missing:
        raise CliError("this plan cannot be saved", where=", ".join(found.missing),
                       why="these machines are not made yet, so nobody knows what is on them",
                       next_command="rota platform up, which makes them",
                       exit_code=ExitCode.CONFLICT)  # fmt: skip
    plan = make_plan(found.platform, SystemClock().now(), found.facts, found.all_steps)
    save_plan(plan, path)
    print(f"saved to {path}: `rota platform up --plan {path}` does this and nothing else",
          file=sys.stderr)  # fmt: skip
