"""`rota platform machine`: one more machine, or one less, while jobs are due and run."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from cli.api import Api, path_of
from cli.errors import CliError, ExitCode
from cli.options import SETTINGS, Yes, confirm
from cli.platform_errors import translated
from cli.platform_file import DEFAULT, File, described
from cli.platform_init import Accepted, confirmed, scanned, write_new
from cli.platform_run import bring_up, running
from platform_initializer.joining import labels_of, next_name, with_machine, without_machine
from platform_initializer.up import Wishes

app = typer.Typer(no_args_is_help=True, help="Add machines, and take them out.")
Name = Annotated[str, typer.Argument(metavar="MACHINE", help="its name in the platform's file")]
POLL_S = 2.0


@app.command()
def add(
    target: Annotated[str, typer.Argument(metavar="USER@HOST", help="where SSH finds it")],
    *,
    file: File = None,
    name: Annotated[str | None, typer.Option(help="its name; else the next m1, m2...")] = None,
    accept: Accepted = None,
    label: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="a label")] = None,
    yes: Yes = False,
) -> None:
    """Write a machine into the file when its fingerprint is confirmed, and run `up`.

    Only the new machine and those that must know its address are touched.
    Example: rota platform machine add deploy@192.0.2.13
    """
    path = file or DEFAULT
    if not path.exists():
        raise CliError(f"there is no {path}", next_command="rota platform init USER@HOST",
                       exit_code=ExitCode.NOT_FOUND)  # fmt: skip
    with translated():
        known = described(path)
    taken = name or next_name(known.machine_names())
    found = replace(confirmed(scanned([target]), accept or [])[0], name=taken)
    with translated():
        text = with_machine(path.read_bytes(), found, labels_of(label or []), path)
    confirm(f"Add {taken} ({found.target.address}) to {path} and bring it up?", yes=yes)
    write_new(path, text)
    with translated():
        description = described(path)
    bring_up(description, Wishes("machine add"))


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
    """Drain a machine, take everything of ours off it and out of the file, and move its services.

    It is destroyed where a driver made it. Example: rota platform machine remove m3
    """
    from common.ssh.paramiko_door import ParamikoDoor
    from platform_initializer.departure import (
        check_dead_took_no_data,
        check_may_leave,
        leave,
    )

    path, check = file or DEFAULT, check_dead_took_no_data if dead else check_may_leave
    with translated():
        description = described(file)
        check(description, ParamikoDoor(), machine)
    text = _without(path, machine, is_made=machine not in {m.name for m in description.machines})
    confirm(f"Remove {machine} from platform {description.platform}?", yes=yes)
    if not dead:
        _drain(machine, wait_s)
    command = f"machine remove {machine}" + (" --dead" if dead else "")
    with running(description, command) as (progress, _):
        leave(description, ParamikoDoor(), progress, machine, is_dead=dead)
    if text is None:
        print(f"now lower the count of {machine}'s pool in the file and run `rota platform up`: its"
              " services move, the others learn of it", file=sys.stderr)  # fmt: skip
        return
    write_new(path, text)
    with translated():
        description = described(path)
    bring_up(description, Wishes(command))
    print(f"{machine} is out of {path}", file=sys.stderr)


def _without(path: Path, machine: str, *, is_made: bool) -> str | None:
    """Return the file without a machine; None for one of a pool, which stands there as a count."""
    if is_made:
        return None
    with translated():
        return without_machine(path.read_bytes(), machine, path)


def _drain(machine: str, wait_s: float) -> None:
    api = Api.of_user(SETTINGS.timeout_s)
    api.send("POST", path_of("nodes", machine, "drain") + "?mode=wait")
    print(f"{machine} gets nothing new; waiting for its jobs", file=sys.stderr)
    deadline = time.monotonic() + wait_s
    while jobs := _count(api.get(path_of("nodes", machine))["jobs"]):
        if time.monotonic() > deadline:
            raise CliError(f"{jobs} jobs still run on {machine}", why=f"{wait_s:.0f} s are over",
                           next_command=f"rota node drain {machine} --force, or wait longer",
                           exit_code=ExitCode.CONFLICT)  # fmt: skip
        time.sleep(POLL_S)
    print(f"no job runs on {machine}", file=sys.stderr)


def _count(jobs: object) -> int:
    """Read the number of jobs, given as a number or as their list."""
    return len(jobs) if isinstance(jobs, list) else int(str(jobs))
