"""`rota platform`, for the long run: upgrade, backup, restore, certificates, audit, destroy."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import CliError, ExitCode
from cli.options import Output, Yes, confirm
from cli.output import Column, Format, print_rows
from cli.platform_errors import translated
from cli.platform_file import DEFAULT, File, confirm_by_name, described
from cli.platform_run import bring_up, running
from common.clock import SystemClock
from common.ssh.paramiko_door import ParamikoDoor
from platform_initializer.up import Wishes

if TYPE_CHECKING:
    from platform_initializer.domain.description import Description

certs = typer.Typer(no_args_is_help=True, help="The certificates of the platform's own authority.")
_CERTIFICATES = tuple(Column(key, key) for key in ("name", "days_left", "good_until"))
_AUDIT = (
    Column("at", "at"), Column("machine", "machine"), Column("who", "who"),
    Column("command", "command"), Column("changes", "changes"), Column("outcome", "outcome"),
)  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Add the commands to the group."""
    app.command()(upgrade)
    app.command()(backup)
    app.command()(restore)
    app.command()(audit)
    app.command()(destroy)
    certs.command("list")(list_certificates)
    certs.command("renew")(renew)
    app.add_typer(certs, name="certs")


def upgrade(
    file: File = None,
    image: Annotated[
        str | None, typer.Option(help="another image of the services; else this version's")
    ] = None,
    yes: Yes = False,
) -> None:
    """Bring a new version to one machine after the other, each behind its health gate.

    A service that does not get ready goes back by itself, and later machines stay as they are.
    Example: rota platform upgrade --yes
    """
    from platform_initializer.local_images import OURS, find_by_id

    with translated():
        description = described(file)
        image_id = find_by_id(OURS["services"], image).image_id if image else None
    confirm(f"Upgrade {description.platform}, machine by machine?", yes=yes)
    bring_up(description, Wishes("upgrade", image_id, is_rolling=True))


def backup(
    archive: Annotated[Path, typer.Argument(help="the file to write (0600; new)")],
    file: File = None,
) -> None:
    """Write data, secrets and this file into one archive, encrypted where the secret store is.

    Example: rota platform backup monday.rota
    """
    from platform_initializer.backup import back_up
    from platform_initializer.secret_store import write_private_bytes

    if archive.exists():
        raise CliError(f"{archive} is there already", next_command="name another file",
                       exit_code=ExitCode.CONFLICT)  # fmt: skip
    with translated():
        description = described(file)
    source = file or (DEFAULT if DEFAULT.exists() else None)
    with running(description, "backup"):
        content = back_up(description, ParamikoDoor(), source, SystemClock().now())
        write_private_bytes(archive, content)
    sealed = "encrypted with the store's passphrase" if description.store.suffix == ".enc" else (
        "NOT encrypted (the secret store is not, either): it holds every password; keep it safe")
    print(f"{archive}: {len(content) / 1024:.0f} KiB, {sealed}", file=sys.stderr)


def restore(
    archive: Annotated[Path, typer.Argument(help="what `rota platform backup` wrote")],
    file: File = None,
    yes: Yes = False,
) -> None:
    """Bring a backup up on machines without data, at whatever addresses the file names.

    Where the file is not there yet, the backup's own is written, to be changed.
    Example: rota platform restore monday.rota -f platform.yml
    """
    from cli.platform_init import write_new
    from platform_initializer.backup import lay_down, open_archive

    path = file or DEFAULT
    with translated():
        found = open_archive(archive.read_bytes())
        if not path.exists():
            write_new(path, found.file().decode())
            raise CliError(f"{path} was not there; it is now as it was at {found.made_at}",
                           why="addresses and host keys may be others now",
                           next_command=f"change it, then run this again (file: {path})",
                           exit_code=ExitCode.INVALID_FILE)  # fmt: skip
        description = described(path)
    confirm(f"Bring {found.platform} of {found.made_at} up on"
            f" {', '.join(description.machine_names())}? What it was taken from must be down.",
            yes=yes)  # fmt: skip
    with translated():
        lay_down(found, description)
    bring_up(description, Wishes("restore", dump=found.dump()))


def list_certificates(file: File = None, output: Output = Format.TABLE) -> None:
    """List the certificates and how long they are still good for."""
    from platform_initializer.renewal import certificates

    with translated():
        found = certificates(described(file).store, SystemClock().now())
    print_rows([vars(one) for one in found], _CERTIFICATES, output, "name")


def renew(
    *,
    file: File = None,
    within: Annotated[int, typer.Option(help="those that end within so many days")] = 60,
    everything: Annotated[bool, typer.Option("--all", help="all servers' certificates")] = False,
    authority: Annotated[
        bool, typer.Option("--authority", help="the authority itself, and all that it signed")
    ] = False,
    yes: Yes = False,
) -> None:
    """Make new certificates for servers whose old ones end soon, and restart those servers.

    Clients check them by the authority, which stays: nothing else is restarted. With --authority
    everything is, three times: to trust both, to change, to trust the new one alone.
    Example: rota platform certs renew --all
    """
    from platform_initializer.renewal import drop_ending

    with translated():
        description = described(file)
    if authority:
        _renew_authority(description, yes=yes)
        return
    with translated():
        confirm(f"Renew certificates of {description.platform}, restarting those servers?", yes=yes)
        limit = None if everything else timedelta(days=within)
        dropped = drop_ending(description.store, SystemClock().now(), limit)
    if not dropped:
        print(f"no certificate ends within {within} days", file=sys.stderr)
        return
    result = bring_up(description, Wishes("certs renew", is_rolling=True))
    print(f"new: {', '.join(dropped)}; {result.steps_done} changes", file=sys.stderr)


def _renew_authority(description: Description, *, yes: bool) -> None:
    from platform_initializer.renewal import COMMAND, change_authority

    name = description.platform
    confirm(f"Give {name} a new authority? All its services restart three times, machine by machine"
            " (Kafka and MySQL each for seconds); apps go on running.", yes=yes)  # fmt: skip
    stages = change_authority(description.store, name, SystemClock().now())
    while True:
        with translated():
            stage = next(stages, None)
        if stage is None:
            break
        bring_up(description, Wishes("certs renew --authority", is_rolling=True))
        print(f"{stage} ({COMMAND} goes on from here if it is cut short)", file=sys.stderr)
    ca_file = description.store.with_name("ca.pem")
    print(f"done; browsers and other machines' `rota login` need the new {ca_file}",
          file=sys.stderr)  # fmt: skip


def audit(
    file: File = None,
    output: Output = Format.TABLE,
    here: Annotated[bool, typer.Option("--here", help="do not ask the machines")] = False,
    last: Annotated[int, typer.Option(min=1, help="how many lines")] = 50,
) -> None:
    """Show who ran what on this platform and when, as told here and on its machines.

    Example: rota platform audit --last 10
    """
    from platform_initializer.audit_trail import trail

    with translated():
        rows = trail(described(file), None if here else ParamikoDoor())
    print_rows(rows[-last:], _AUDIT, output, "at")


def destroy(
    file: File = None,
    data: Annotated[bool, typer.Option("--data", help="yes, with all its data")] = False,
    yes: Yes = False,
) -> None:
    """Remove everything of ours from all machines, with all data, and the machines that were made.

    Example: rota platform destroy --data
    """
    from platform_initializer import down as work

    if not data:
        raise CliError("nothing was changed", why="a platform is destroyed with its data only",
                       next_command="rota platform destroy --data (or `down`, which keeps it)",
                       exit_code=ExitCode.USAGE)  # fmt: skip
    with translated():
        description = described(file)
    name = description.platform
    confirm_by_name(f"This removes platform {name} with all its data.", name, yes=yes)
    with running(description, "destroy --data") as (progress, _):
        work.down(description, ParamikoDoor(), progress, destroy=True)
    print("the platform is gone, and its data", file=sys.stderr)
