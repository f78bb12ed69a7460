"""Which page is made by what, and what all of them begin with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from scripts.reference import commands, metrics, routes, settings, topics

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "cli.md": commands.text,
    "openapi.json": routes.openapi_text,
    "api.md": routes.text,
    "metrics.md": metrics.text,
    "settings.md": settings.text,
    "topics.md": topics.text,
}
