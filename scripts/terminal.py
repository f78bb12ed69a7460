"""Draws what the command prints, for the documents: ``python -m scripts.terminal platform.yml``.

It needs a running platform with some jobs behind it, as `make demo` leaves one
(``.rota/demo/platform.yml``); it changes nothing there.
"""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "screenshots"
_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # would be fetched from elsewhere
SCREENS = {
    "status": "rota platform status -f {file}",
    "jobs": "rota job list --limit 8 --no-upcoming",
    "explain": "rota job explain {job}",
}


def main() -> int:
    """Draw each screen."""
    if len(sys.argv) != 2:
        print("usage: python -m scripts.terminal platform.yml", file=sys.stderr)
        return 2
    file = Path(sys.argv[1]).resolve()
    job = _type("rota job list --limit 1 --state SUCCEEDED -o name --no-upcoming").split()[-1]
    for name, command in SCREENS.items():
        said = _type(command.format(file=file, job=job))
        shown = command.format(file=file.name, job=job)
        _draw(f"terminal-{name}", shown, said.replace(f"{ROOT}/", ""))
    return 0


def _type(command: str) -> str:
    """Return what a person sees: both streams, in the order they come."""
    argv = [sys.executable, "-m", "cli", *shlex.split(command)[1:]]
    done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)  # fmt: skip
    return done.stdout


def _draw(name: str, command: str, said: str) -> None:
    width = max(len(line) for line in [f"$ {command}", *said.splitlines()])
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ {command}", style="bold"))
    console.print(Text(said.rstrip()))
    save_screen(console, name, "rota")


def save_screen(console: Console, name: str, title: str) -> None:
    """Write what a recording console shows as docs/screenshots/NAME.svg; it loads no font."""
    drawn = console.export_svg(title=title, theme=DIMMED_MONOKAI, unique_id=name)
    drawn = _FONT.sub("", drawn).replace("Fira Code, monospace", "monospace")
    (FOLDER / f"{name}.svg").write_text(drawn, encoding="utf-8")
    print(f"docs/screenshots/{name}.svg", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
