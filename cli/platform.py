"""`rota platform`: bring the platform up on machines, and look after it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import platform_day2, platform_init, platform_keep, platform_machine, platform_status
from cli.errors import ExitCode
from cli.options import Yes, confirm
from cli.output import Column, Format, print_rows
from cli.platform_errors import translated
from cli.platform_file import File, confirm_by_name, described
from cli.platform_run import Limit, bring_up, format_or_file, running, save_to

app = typer.Typer(no_args_is_help=True, help="Bring the platform up, and look after it.")
render = typer.Typer(no_args_is_help=True, help="Print or write what is made from the same plan.")
app.add_typer(render, name="render")
_STEPS = tuple(Column(key, key) for key in ("machine", "action", "risk", "reason"))
_PLACED = tuple(Column(key, key) for key in ("service", "machine", "reason"))


@app.command()
def up(
    file: File = None,
    plan_file: Annotated[
        Path | None, typer.Option("--plan", help="only what this saved plan says")
    ] = None,
    limit: Limit = None,
    as_json: Annotated[bool, typer.Option("--json", help="events, one JSON object a line")] = False,
) -> None:
    """Make the platform what the file says; run it again after any failure or change.

    Example: rota platform up -f platform.yml
    """
    from platform_initializer.saved_plan import load_plan
    from platform_initializer.up import Wishes

    with translated():
        description = described(file)
        saved = load_plan(plan_file, description.platform) if plan_file else None
    bring_up(description, Wishes(only=tuple(limit or ()), saved=saved), as_json=as_json)


@app.command("plan")
def show_plan(
    file: File = None,
    out: Annotated[
        str,
        typer.Option("-o", "--output", metavar="FORMAT|FILE",
                     help="table, wide, json, yaml, name; or a file (with . or /) to save it to"),
    ] = "table",
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="exit 20 when there is something to do")
    ] = False,
    limit: Limit = None,
) -> None:
    """Show what `up` would do, where, why and at what risk; changes nothing.

    Example: rota platform plan -o monday.plan
    """
    import sys

    from common.ssh.paramiko_door import ParamikoDoor
    from platform_initializer.preview import preview

    output, kept = format_or_file(out)
    with translated():
        found = preview(described(file), ParamikoDoor(), tuple(limit or ()))
        save_to(kept, found)
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
def down(
    file: File = None,
    destroy: Annotated[bool, typer.Option(help="remove data and made machines, too")] = False,
    yes: Yes = False,
) -> None:
    """Stop the platform; its data stays, unless --destroy.

    Example: rota platform down -f platform.yml --destroy --yes
    """
    import sys

    from common.ssh.paramiko_door import ParamikoDoor
    from platform_initializer import down as work

    with translated():
        description = described(file)
    name = description.platform
    if destroy:
        confirm_by_name(f"This removes platform {name} with all its data.", name, yes=yes)
    else:
        confirm(f"Stop platform {name}?", yes=yes)
    with running(description, "down --destroy" if destroy else "down") as (progress, _):
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


app.registered_commands += platform_init.app.registered_commands
app.registered_commands += platform_status.app.registered_commands
platform_day2.add_to(app)
platform_keep.add_to(app)
app.add_typer(platform_machine.app, name="machine")
