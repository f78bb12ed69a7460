"""`rota platform`, after the first day: doctor, logs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.errors import CliError, ExitCode
from cli.options import Output, Yes, confirm
from cli.output import Column, Format, print_rows
from cli.platform_errors import translated
from cli.platform_file import File, described
from cli.platform_run import bring_up
from common.ssh.paramiko_door import ParamikoDoor
from platform_initializer.up import Wishes

_FINDINGS = tuple(
    Column(key, key) for key in ("code", "severity", "machine", "title", "evidence", "fix")
)


_REVISIONS = tuple(Column(key, key) for key in ("number", "at", "changes", "images"))
secrets = typer.Typer(no_args_is_help=True, help="Change the platform's passwords and keys.")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the group."""
    app.command()(doctor)
    app.command()(logs)
    app.command()(revisions)
    app.command()(rollback)
    secrets.command("rotate")(rotate)
    app.add_typer(secrets, name="secrets")


def doctor(file: File = None, output: Output = Format.TABLE) -> None:
    """Look for what is wrong, on every machine, and tell the fix; changes nothing.

    Exits 1 when there is an error. Example: rota platform doctor -f platform.yml
    """
    from common.clock import SystemClock
    from platform_initializer.doctor import diagnose

    with translated():
        found = diagnose(described(file), ParamikoDoor(), SystemClock())
    if output is Format.TABLE:
        for one in found.findings:
            print(f"{one.code} {one.severity}: {one.machine}: {one.title}")
            print(f"    seen: {one.evidence}\n    why:  {one.why}\n    fix:  {one.fix}")
    else:
        print_rows([vars(one) for one in found.findings], _FINDINGS, output, "code")
    errors = sum(one.severity == "error" for one in found.findings)
    print(f"{found.checks} checks on {found.machines} machines: {errors} errors, "
          f"{len(found.findings) - errors} warnings", file=sys.stderr)  # fmt: skip
    if errors:
        raise typer.Exit(ExitCode.UNEXPECTED)


def rotate(file: File = None, yes: Yes = False) -> None:
    """Make new passwords and keys for all services and bring them to the machines.

    Each service is restarted once; apps go on running. Example: rota platform secrets rotate --yes
    """
    from platform_initializer.secret_store import SecretStore

    with translated():
        description = described(file)
        confirm(f"Rotate all secrets of {description.platform}, restarting its services?", yes=yes)
        names = SecretStore(description.store).rotate()
    result = bring_up(description, Wishes("secrets rotate"))
    print(f"{len(names)} secrets are new, {result.steps_done} changes, {result.seconds:.0f} s",
          file=sys.stderr)  # fmt: skip


def revisions(file: File = None, output: Output = Format.TABLE) -> None:
    """List the states that `up` reached, the last one last."""
    from platform_initializer.revisions import Revisions

    with translated():
        found = Revisions(described(file).store).all()
    print_rows([vars(one) for one in found], _REVISIONS, output, "number")


def rollback(
    file: File = None,
    to: Annotated[int | None, typer.Option(help="its number; else the last other image")] = None,
    yes: Yes = False,
) -> None:
    """Let the services run an earlier image again; data stores are never downgraded.

    Example: rota platform rollback --to 3
    """
    from platform_initializer.local_images import OURS
    from platform_initializer.revisions import Revisions

    with translated():
        description = described(file)
        target = Revisions(description.store).target(to)
        confirm(f"Go back to revision {target.number} of {target.at}?", yes=yes)
    result = bring_up(description, Wishes("rollback", target.images[OURS["services"]]))
    print(f"revision {target.number} runs again: {result.steps_done} changes; the next `up` brings"
          " the newest image back", file=sys.stderr)  # fmt: skip


def logs(
    service: Annotated[str, typer.Argument(help="like scheduler, kafka or client")],
    file: File = None,
    follow: Annotated[bool, typer.Option("--follow", "-F", help="go on as lines come")] = False,
    tail: Annotated[int, typer.Option(min=1, max=100_000, help="how many lines")] = 100,
) -> None:
    """Show a service's log from all its machines, in the order of time.

    Example: rota platform logs scheduler --tail 20 -F
    """
    from platform_initializer.service_logs import LogsOf

    with translated(), LogsOf(described(file), ParamikoDoor(), service) as found:
        if not found.machines():
            raise CliError(f"{service} runs on no machine", next_command="rota platform status",
                           exit_code=ExitCode.NOT_FOUND)  # fmt: skip
        for line in found.follow(tail) if follow else found.last(tail):
            print(line, flush=follow)
