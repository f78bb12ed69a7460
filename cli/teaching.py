"""Help that teaches by examples: each stands on a line of its own, ready to be copied."""

from __future__ import annotations

import inspect

import typer

_UNWRAPPED = "\b"  # click leaves the lines of a paragraph that begins so as they are


def set_examples_apart(app: typer.Typer) -> None:
    """Take `Example: ...` out of the docstrings of all commands of a group and its groups."""
    for command in app.registered_commands:
        command.help = _apart(inspect.getdoc(command.callback) or "")
    for group in app.registered_groups:
        if group.typer_instance is not None:
            set_examples_apart(group.typer_instance)


def _apart(text: str) -> str:
    prose, *examples = text.split("Example:")
    if not examples:
        return text
    lines = [f"  {' '.join(example.split())}" for example in examples]
    title = "Example:" if len(lines) == 1 else "Examples:"
    return "\n".join([prose.rstrip(), "", _UNWRAPPED, title, *lines])
