"""The `rota` command: its groups, imported only when they are called."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from importlib import import_module
from typing import Annotated

import typer

from cli.ending import Root, run
from cli.teaching import set_examples_apart

GROUPS = {
    "platform": "bring the platform up on machines, and look after it",
    "schedule": "check, apply and list schedule files",
    "job": "what ran, what runs, and why",
    "node": "the machines that run jobs",
    "service": "the platform's own processes",
    "event": "what happens, as it happens",
    "application": "the application repository: images, commands, limits",
    "notice": "who is told when jobs go wrong",
    "user": "who may log in",
    "token": "what programs log in with",
    "audit": "who did what",
}


class Shell(StrEnum):
    """Whose completion can be printed."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


app = typer.Typer(
    cls=Root,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Runs containerised application instances on a fleet of machines, on time.",
)


@app.callback()
def root(
    timeout: Annotated[float, typer.Option(min=0.1, help="seconds to wait for the platform")] = 30,
    no_input: Annotated[bool, typer.Option("--no-input", help="never ask")] = False,
) -> None:
    """Rota."""
    from cli.options import SETTINGS

    SETTINGS.timeout_s = timeout
    SETTINGS.may_ask = not no_input


@app.command()
def version() -> None:
    """Print the version.

    Example: rota version
    """
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as version_of

    try:
        print(version_of("rota"))
    except PackageNotFoundError:
        print("0.1.0+checkout")


@app.command()
def completion(shell: Annotated[Shell, typer.Argument(help="which shell reads it")]) -> None:
    """Print what lets a shell complete words.

    Example: source <(rota completion bash)
    Example: eval "$(rota completion zsh)"
    Example: rota completion fish > ~/.config/fish/completions/rota.fish
    """
    from typer._completion_shared import get_completion_script

    print(get_completion_script(prog_name="rota", complete_var="_ROTA_COMPLETE", shell=shell))


@app.command()
def login(
    url: Annotated[str, typer.Argument(help="like https://m1:8443")],
    token_file: Annotated[str | None, typer.Option(help="holds the API token; - is stdin")] = None,
    ca_file: Annotated[str | None, typer.Option(help="who vouches for the certificate")] = None,
) -> None:
    """Remember the platform's URL and an API token (asked for, or read from a file).

    Example: rota login https://m1:8443 --token-file token
    """
    from cli.login import remember

    remember(url, token_file, ca_file)


@app.command()
def top(
    rounds: Annotated[int | None, typer.Option(min=1, help="end after so many")] = None,
) -> None:
    """Show nodes and running jobs, live; end it with Ctrl-C.

    Example: rota top
    """
    from cli.api import Api
    from cli.options import SETTINGS
    from cli.top import show

    show(Api.of_user(SETTINGS.timeout_s), rounds)


def main() -> None:
    """Run the command and end with its exit code."""
    app.registered_groups.clear()
    for name, duty in GROUPS.items():
        app.add_typer(_group(name, duty), name=name, help=duty)
    set_examples_apart(app)
    sys.exit(run(app))


def _group(name: str, duty: str) -> typer.Typer:
    """Import a group's module only when it is called.

    `rota schedule validate` takes under 300 ms because nothing of the other groups is loaded. A
    shell that asks for completions (_ROTA_COMPLETE) gets them all.
    """
    if name == _called_group() or any(key.startswith("_ROTA") for key in os.environ):
        group: typer.Typer = import_module(f"cli.{name}").app
        return group
    stub = typer.Typer(help=duty)
    stub.callback()(lambda: None)
    return stub


def _called_group() -> str | None:
    return next((word for word in sys.argv[1:] if word in GROUPS), None)


if __name__ == "__main__":
    main()
