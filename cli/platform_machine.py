"""`rota platform machine`: taking machines out. One more is added in the file, then `up`."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer

from cli.api import Api
from cli.errors import CliError, ExitCode
from cli.options import SETTINGS, Yes, confirm
from cli.platform_errors import translated
from cli.platform_file import File, described

app = typer.Typer(no_args_is_help=True, help="Take machines out (new ones: the file, then `up`).")
Name = Annotated[str, typer.Argument(metavar="MACHINE", help="its name in the platform's file")]
POLL_S = 2.0


@app.command()
def drain(
    machine: Name,
    wait_s: Annotated[float, typer.Option("--wait", help="seconds to wait for its jobs")] = 600.0,
    yes: Yes = False,
) -> None:
    """Give a machine nothing new and wait until its jobs have ended.

    Example: rota platform machine drain m3
    """
    confirm(f"Drain {machine}?", yes=yes)
    _drain(machine, wait_s)


@app.command()
def remove(
    machine: Name,
    file: File = None,
    dead: Annotated[bool, typer.Option("--dead", help="it is gone: do not talk to it")] = False,
    wait_s: Annotated[float, typer.Option("--wait", help="seconds to wait for its jobs")] = 600.0,
    yes: Yes = False,
) -> None:
    """Drain a machine, take everything of ours off it, and destroy it where a driver made it.

    Example: rota platform machine remove m3
    """
    from cli.platform_progress import watching
    from common.ssh.paramiko_door import ParamikoDoor
    from platform_initializer.departure import check_may_leave, leave

    with translated():
        description = described(file)
        if not dead:
            check_may_leave(description, ParamikoDoor(), machine)
    confirm(f"Remove {machine} from platform {description.platform}?", yes=yes)
    if not dead:
        _drain(machine, wait_s)
    with translated(), watching() as progress:
        leave(description, ParamikoDoor(), progress, machine, is_dead=dead)
    print(f"now take {machine} out of the file (or lower its pool's count) and run `rota platform"
          " up`: its services move, the others learn of it", file=sys.stderr)  # fmt: skip


def _drain(machine: str, wait_s: float) -> None:
    api = Api.of_user(SETTINGS.timeout_s)
    api.send("POST", f"/nodes/{machine}/drain?mode=wait")
    print(f"{machine} gets nothing new; waiting for its jobs", file=sys.stderr)
    deadline = time.monotonic() + wait_s
    while jobs := _count(api.get(f"/nodes/{machine}")["jobs"]):
        if time.monotonic() > deadline:
            raise CliError(f"{jobs} jobs still run on {machine}", why=f"{wait_s:.0f} s are over",
                           next_command=f"rota node drain {machine} --force, or wait longer",
                           exit_code=ExitCode.CONFLICT)  # fmt: skip
        time.sleep(POLL_S)
    print(f"no job runs on {machine}", file=sys.stderr)


def _count(jobs: object) -> int:
    """Read the number of jobs, given as a number or as their list."""
    return len(jobs) if isinstance(jobs, list) else int(str(jobs))
