"""`rota schedule apply` and `list`: the part of the group that talks to the platform."""

from __future__ import annotations

import typer


def add_to(app: typer.Typer) -> None:
    """Add the commands to the group."""
