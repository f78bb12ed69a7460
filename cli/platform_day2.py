"""`rota platform`, after the first day: doctor, logs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.errors import CliError, ExitCode
from cli.output import Column, Format, print_rows
from cli.platform_errors import translated
from cli.platform_file import File, Output, described
from common.ssh.paramiko_door import ParamikoDoor

_FINDINGS = tuple(
    Column(key, key) for key in ("code", "severity", "machine", "title", "evidence", "fix")
)


def add_to(app: typer.Typer) -> None:
    """Add the commands to the group."""
    app.command()(doctor)
    app.command()(logs)


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
