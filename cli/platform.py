"""`rota platform`: bring the platform up on machines, and look after it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.errors import CliError, ExitCode
from cli.output import Column, Format, print_one, print_rows
from cli.platform_errors import translated
from platform_initializer.domain.description import Description, local_description

app = typer.Typer(no_args_is_help=True, help="Bring the platform up, and look after it.")
File = Annotated[Path | None, typer.Option("-f", "--file", help="the platform's file")]
Output = Annotated[Format, typer.Option("-o", "--output", help="how to print")]
_SERVICES = (
    Column("machine", "machine"), Column("service", "service"), Column("state", "state"),
    Column("health", "health"), Column("restarts", "restarts"), Column("image", "image"),
    Column("started_at", "started", is_wide=True), Column("detail", "detail", is_wide=True),
)  # fmt: skip
_MACHINES = (
    Column("machine", "machine"), Column("address", "address"), Column("state", "state"),
    Column("docker", "docker"), Column("cpus", "cpus"), Column("memory_mb", "memory MiB"),
    Column("detail", "detail", is_wide=True),
)  # fmt: skip
DEFAULT = Path("platform.yml")


@app.command()
def up(file: File = None) -> None:
    """Make the platform what the file says; run it again after any failure or change.

    Example: rota platform up -f platform.yml
    """
    import sys

    from cli.connection import save_connection
    from cli.platform_progress import watching
    from common.ssh.paramiko_door import ParamikoDoor
    from platform_initializer import up as work

    with translated(), watching() as progress:
        result = work.up(_described(file), ParamikoDoor(), progress)
    save_connection(result.url, result.token)
    if result.steps_done:
        print(f"{result.steps_done} changes, {result.seconds:.0f} s", file=sys.stderr)
    else:
        print(f"nothing to change ({result.seconds:.1f} s)", file=sys.stderr)
    print(f"the page: {result.url}")
    if result.is_first:
        print(f"log in as: admin\npassword: {result.admin_password}   (shown this once)")


@app.command()
def status(file: File = None, output: Output = Format.TABLE) -> None:
    """Show what runs where, as the machines themselves say it."""
    from common.ssh.paramiko_door import ParamikoDoor
    from platform_initializer import status as work

    with translated():
        found = work.status(_described(file), ParamikoDoor())
    if output in {Format.JSON, Format.YAML}:
        print_one(found, output)
        return
    if output is Format.NAME:
        print_rows(found["services"], _SERVICES, output, "service")
        return
    print(f"platform {found['platform']}   page {found['url'] or '-'}   kafka {found['kafka'] or '-'}\n")
    print_rows(found["machines"], _MACHINES, output, "machine")
    print()
    print_rows(found["services"], _SERVICES, output, "service")


@app.command()
def down(
    file: File = None,
    destroy: Annotated[bool, typer.Option(help="also remove data and the machines we made")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Stop the platform; its data stays, unless --destroy.

    Example: rota platform down -f platform.yml --destroy --yes
    """
    import sys

    from cli.platform_progress import watching
    from common.ssh.paramiko_door import ParamikoDoor
    from platform_initializer import down as work

    with translated():
        description = _described(file)
    if not yes:
        _confirm(description.platform, destroy)
    with translated(), watching() as progress:
        work.down(description, ParamikoDoor(), progress, destroy=destroy)
    print("the platform is down" + (", its data is gone" if destroy else ""), file=sys.stderr)


def _confirm(platform: str, destroy: bool) -> None:
    import sys

    if not sys.stdin.isatty():
        raise CliError("this needs a yes", next_command="the same with --yes",
                       exit_code=ExitCode.USAGE)  # fmt: skip
    if destroy:
        print(f"This removes platform {platform} with all its data. Type its name to go on.",
              file=sys.stderr)  # fmt: skip
        if input("> ").strip() != platform:
            raise CliError("nothing was changed", exit_code=ExitCode.USAGE)
    elif input(f"Stop platform {platform}? [y/N] ").strip().lower() not in {"y", "yes"}:
        raise CliError("nothing was changed", exit_code=ExitCode.USAGE)


def _described(file: Path | None) -> Description:
    """Read the file; without one (and no platform.yml here) this one machine is meant."""
    from platform_initializer.document import load_description

    if file is None and not DEFAULT.exists():
        return local_description(Path.cwd() / ".rota")
    return load_description(file or DEFAULT)
