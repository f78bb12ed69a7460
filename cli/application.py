"""`rota application`: what can be run: images, how to start them, and what they take."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.api import Api, path_of
from cli.options import SETTINGS, Output, Yes, confirm
from cli.output import Column, Format, print_one, print_rows

app = typer.Typer(no_args_is_help=True, help="The application repository.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="what files write after `app:`")]
_LIST = (
    Column("name", "name"), Column("image", "image"), Column("command", "command"),
    Column("description", "description", is_wide=True), Column("updated_at", "changed"),
)  # fmt: skip


@app.command("list")
def list_applications(output: Output = Format.TABLE) -> None:
    """List the application repository.

    Example: rota application list -o wide
    """
    rows = _api().items("/applications")
    if output is Format.TABLE:
        rows = [{**row, "image": _short(row["image"])} for row in rows]
    print_rows(rows, _LIST, output, "name")


def _short(image: str) -> str:
    """Leave of a digest what tells it from others."""
    name, mark, digest = image.partition("@sha256:")
    return f"{name}{mark}{digest[:12]}" + ("…" if digest[12:] else "")


@app.command()
def show(name: Name, output: Output = Format.TABLE) -> None:
    """Show one application.

    Example: rota application show heating-control
    """
    print_one(_api().get(path_of("applications", name)), output, "name")


@app.command()
def register(
    name: Name,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="like registry:5000/heating:1.4")],
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[COMMAND]...", help="after --; not the image's")
    ] = None,
    description: Annotated[str, typer.Option(help="one line for people")] = "",
) -> None:
    """Register an application, or change it; its instances take it when they are applied again.

    Example: rota application register heating-control registry:5000/heating:1.4 -- run --fast
    """
    body = {"image": image, "command": command or [], "description": description}
    done = _api().send("PUT", path_of("applications", name), body).body
    print(f"{name} is registered as {done['image']}", file=sys.stderr)
    if done.get("note"):
        print(f"not pinned: {done['note']}; register it again to pin it", file=sys.stderr)


@app.command()
def remove(name: Name, yes: Yes = False) -> None:
    """Take an application out of the repository; instances keep the image they were applied with.

    Example: rota application remove heating-control --yes
    """
    confirm(f"Remove the application {name}?", yes=yes)
    _api().send("DELETE", path_of("applications", name))
    print(f"{name} is removed", file=sys.stderr)


def _api() -> Api:
    return Api.of_user(SETTINGS.timeout_s)
