"""`rota platform`: bring the platform up on machines, and look after it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import platform_day2, platform_machine
from cli.errors import ExitCode
from cli.options import Output, Yes, confirm
from cli.output import Column, Format, print_one, print_rows
from cli.platform_errors import translated
from cli.platform_file import File, confirm_by_name, described

app = typer.Typer(no_args_is_help=True, help="Bring the platform up, and look after it.")
render = typer.Typer(no_args_is_help=True, help="Print or write what is made from the same plan.")
app.add_typer(render, name="render")
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
_STEPS = tuple(Column(key, key) for key in ("machine", "action", "risk", "reason"))
_PLACED = tuple(Column(key, key) for key in ("service", "machine", "reason"))


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
        result = work.up(described(file), ParamikoDoor(), progress)
    save_connection(result.url, result.token, result.ca_file)
    if result.steps_done:
        print(f"{result.steps_done} changes, {result.seconds:.0f} s", file=sys.stderr)
    else:
        print(f"nothing to change ({result.seconds:.1f} s)", file=sys.stderr)
    print(f"the page: {result.url}")
    print(f"its certificate is vouched for by {result.ca_file}   (import it into your browser)")
    if result.is_first:
        print(f"log in as: admin\npassword: {result.admin_password}   (shown this once)")


@app.command("plan")
def show_plan(
    file: File = None,
    output: Output = Format.TABLE,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="exit 20 when there is something to do")
    ] = False,
) -> None:
    """Show what `up` would do, where, why and at what risk; changes nothing.

    Example: rota platform plan -f platform.yml --detailed-exitcode
    """
    import sys

    from common.ssh.paramiko_door import ParamikoDoor
    from platform_initializer.preview import preview

    with translated():
        found = preview(described(file), ParamikoDoor())
    rows = [{"machine": name, "action": "make the machine", "reason": "it is not there",
             "risk": "none"} for name in found.missing]  # fmt: skip
    rows += [{"machine": step.machine, "action": step.title, "reason": step.reason,
              "risk": step.risk.value} for step in found.steps]  # fmt: skip
    if output is Format.TABLE and found.placed:
        print_rows([vars(placed) for placed in found.placed], _PLACED, output, "service")
        print()
    if rows or output is not Format.TABLE:
        print_rows(rows, _STEPS, output, "action")
    changes = f"{len(rows)} changes" if rows else "nothing to change"
    later = "; what runs on them is known once they are there" if found.missing else ""
    print(changes + later, file=sys.stderr)
    if detailed_exitcode and found.has_changes:
        raise typer.Exit(ExitCode.HAS_CHANGES)


@app.command()
def status(file: File = None, output: Output = Format.TABLE) -> None:
    """Show what runs where, as the machines themselves say it."""
    from common.ssh.paramiko_door import ParamikoDoor
    from platform_initializer import status as work

    with translated():
        found = work.status(described(file), ParamikoDoor())
    if output in {Format.JSON, Format.YAML}:
        print_one(found, output)
        return
    if output is Format.NAME:
        print_rows(found["services"], _SERVICES, output, "service")
        return
    kafka, url = found["kafka"] or "-", found["url"] or "-"
    print(f"platform {found['platform']}   page {url}   kafka {kafka}\n")
    print_rows(found["machines"], _MACHINES, output, "machine")
    print()
    print_rows(found["services"], _SERVICES, output, "service")


@app.command()
def down(
    file: File = None,
    destroy: Annotated[bool, typer.Option(help="remove data and made machines, too")] = False,
    yes: Yes = False,
) -> None:
    """Stop the platform; its data stays, unless --destroy.

    Example: rota platform down -f platform.yml --destroy --yes
    """
    import sys

    from cli.platform_progress import watching
    from common.ssh.paramiko_door import ParamikoDoor
    from platform_initializer import down as work

    with translated():
        description = described(file)
    name = description.platform
    if destroy:
        confirm_by_name(f"This removes platform {name} with all its data.", name, yes=yes)
    else:
        confirm(f"Stop platform {name}?", yes=yes)
    with translated(), watching() as progress:
        work.down(description, ParamikoDoor(), progress, destroy=destroy)
    print("the platform is down" + (", its data is gone" if destroy else ""), file=sys.stderr)


@render.command("compose")
def render_compose() -> None:
    """Print the docker-compose.yml of the one-machine platform."""
    from platform_initializer.render import compose_text

    print(compose_text(), end="")


@render.command("secrets")
def render_secrets(folder: Annotated[Path, typer.Argument(help="where the files go")]) -> None:
    """Generate the secret files that docker-compose.yml names; keeps those that are there."""
    import sys

    from platform_initializer.render import write_secrets

    with translated():
        names = write_secrets(folder)
    print(f"{len(names)} files are in {folder}, for you alone; log in as admin with the password in"
          f" {folder / 'admin_password.txt'}", file=sys.stderr)  # fmt: skip


platform_day2.add_to(app)
app.add_typer(platform_machine.app, name="machine")
