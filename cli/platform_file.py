"""The options that all commands of `rota platform` share, and which file they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.output import Format
from platform_initializer.domain.description import Description, local_description

File = Annotated[Path | None, typer.Option("-f", "--file", help="the platform's file")]
Output = Annotated[Format, typer.Option("-o", "--output", help="how to print")]
DEFAULT = Path("platform.yml")


def described(file: Path | None) -> Description:
    """Read the file; without one (and no platform.yml here) this one machine is meant."""
    from platform_initializer.document import load_description

    if file is None and not DEFAULT.exists():
        return local_description(Path.cwd() / ".rota")
    return load_description(file or DEFAULT)
