"""`rota platform init` and `machine add`: a new machine's key is seen and confirmed by a person."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from cli.errors import CliError, ExitCode, print_error
from cli.options import SETTINGS
from cli.platform_errors import cli_error, translated
from cli.platform_file import DEFAULT, File
from platform_initializer.beginning import (
    BadTargetError,
    Scanned,
    Target,
    parse_target,
    platform_text,
    scan,
)
from platform_initializer.document import default_keys
from platform_initializer.errors import folded

Accepted = Annotated[
    list[str] | None,
    typer.Option("--accept-fingerprint", metavar="SHA256:...",
                 help="one that you have compared; once for each machine"),
]  # fmt: skip
_CONSOLE = "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"
app = typer.Typer()


@app.command()
def init(
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="[USER@HOST]...", help="none: this machine alone")
    ] = None,
    file: File = None,
    name: Annotated[str, typer.Option(help="the platform's name")] = "rota",
    key: Annotated[list[Path] | None, typer.Option(help="a private key to log in with")] = None,
    accept: Accepted = None,
    *,
    encrypt: Annotated[
        bool, typer.Option("--encrypt", help="keep the secrets encrypted by a passphrase")
    ] = False,
) -> None:
    """Write a commented platform.yml for machines that answer SSH.

    Each machine's fingerprint is shown to be compared with its console; it is sent nothing.
    Example: rota platform init deploy@192.0.2.11 deploy@192.0.2.12
    """
    path = file or DEFAULT
    if path.exists():
        raise CliError(f"{path} is there already", why="it may be a platform's only description",
                       next_command="name another with -f, or `rota platform machine add`",
                       exit_code=ExitCode.CONFLICT)  # fmt: skip
    machines = confirmed(scanned(targets or []), accept or [])
    keys = [str(one.expanduser().absolute()) for one in key or []]
    with translated():
        text = platform_text(name, machines, keys)
        text = text.replace("./secrets.json", "./secrets.enc") if encrypt else text
        write_new(path, text)
    if machines and not keys and not default_keys():
        print("no SSH key of yours was found in ~/.ssh: before `up`, name one under ssh: keys: in"
              f" {path}", file=sys.stderr)  # fmt: skip
    count = f"{len(machines)} machines" if machines else "this machine"
    where = "" if path == DEFAULT else f" -f {path}"
    print(f"{path} describes {count}\nnext: rota platform up{where}   (`plan` shows first what it"
          " would do)", file=sys.stderr)  # fmt: skip


def scanned(targets: Sequence[str], first_number: int = 1) -> list[Scanned]:
    """Read the fingerprints of all; a machine that does not answer ends the command."""
    from common.ssh.paramiko_door import ParamikoDoor

    found, failures = scan([_target(text) for text in targets], ParamikoDoor(), first_number)
    if failures:
        for machines, failure in folded(failures):
            print_error(cli_error(machines, failure))
        raise typer.Exit(ExitCode.UNREACHABLE)
    return found


def confirmed(machines: list[Scanned], accepted: Sequence[str]) -> list[Scanned]:
    """Return the machines when a person vouches for every fingerprint; else raise `CliError`."""
    strange = [one for one in machines if one.fingerprint not in accepted]
    for one in machines:
        known = "" if one in strange else "   (accepted)"
        print(f"{one.target.address} shows {one.fingerprint}{known}", file=sys.stderr)
    if not strange:
        return machines
    print(f"compare with what each machine's own console prints: {_CONSOLE}", file=sys.stderr)
    if not SETTINGS.may_ask or not sys.stdin.isatty():
        raise CliError(
            f"{len(strange)} fingerprints are not confirmed, nothing was written",
            where=", ".join(one.target.address for one in strange),
            why="nobody is here to compare them",
            next_command="the same with --accept-fingerprint SHA256:... for each that you compared",
            exit_code=ExitCode.CONFLICT,
        )
    for one in strange:
        _ask(one)
    return machines


def write_new(path: Path, text: str) -> None:
    """Write the file by way of a draft, so that no half of it is ever read."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _ask(one: Scanned) -> None:
    print(f"is {one.fingerprint} what the console of {one.target.address} prints? [y/N] ", end="",
          file=sys.stderr, flush=True)  # fmt: skip
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CliError("nothing was written", where=one.target.address,
                       why="its key was not confirmed", exit_code=ExitCode.CONFLICT)  # fmt: skip


def _target(text: str) -> Target:
    try:
        return parse_target(text)
    except BadTargetError as error:
        raise CliError(str(error), next_command="rota platform init deploy@192.0.2.11",
                       exit_code=ExitCode.USAGE) from error  # fmt: skip
