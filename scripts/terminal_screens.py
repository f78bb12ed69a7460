"""Draws the terminal screens in docs/screenshots from what a real platform said.

``python -m scripts.terminal_screens RECORDED``: RECORDED is a folder with what was kept of a run:
``up.jsonl`` (`rota platform up --json`) and ``status.json`` (`rota platform status -o json`);
``ROTA_SCREENS=RECORDED make test-day2`` leaves them there. Of one of them alone its screen
alone is drawn. The screens are drawn by the code that draws them for people; only the clock is the
recording's.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from cli.platform_progress import TableProgress
from cli.platform_status import picture
from platform_initializer.domain.steps import Phase, Risk, Step
from platform_initializer.errors import Failure
from scripts.terminal import save_screen

COLUMNS = 88


def main(folder: Path) -> int:
    """Draw what was recorded; return the exit code."""
    up, status = folder / "up.jsonl", folder / "status.json"
    if up.exists():
        lines = up.read_text(encoding="utf-8").splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{")]
        last = max(event.get("at_s", 0.0) for event in events)
        _save("platform-up", "rota platform up", table_at(events, last / 2))
    if status.exists():
        told = json.loads(status.read_text(encoding="utf-8"))
        _save("platform-status", "rota platform status --watch", picture(told, "09:41:00"))
    return 0 if up.exists() or status.exists() else 1


def table_at(events: list[dict[str, Any]], until_s: float) -> Any:
    """Return the table as it stood so many seconds after the beginning."""
    seconds = 0.0
    table = TableProgress(lambda: seconds)
    steps: dict[str, Step] = {}
    for event in events:
        if event.get("at_s", until_s) > until_s:
            break
        seconds = event.get("at_s", seconds)
        _play(table, steps, event)
    seconds = until_s
    return table.picture()


def _play(table: TableProgress, steps: dict[str, Step], event: dict[str, Any]) -> None:
    match event["event"]:
        case "planned":
            steps.update({one["key"]: _step(one) for one in event["steps"]})
            table.planned(list(steps.values()))
        case "said":
            table.say(event["text"])
        case "result":
            pass
        case kind:
            step = steps.get(event["step"]) or _gate(event["step"])
            steps[step.key] = step
            if kind == "finished":
                table.finished(step, event["seconds"])
            elif kind == "failed":
                table.failed(step, Failure(step.machine, event["what"], event["why"]))
            else:
                getattr(table, kind)(step)


def _step(one: dict[str, str]) -> Step:
    return Step(one["key"], one["machine"], Phase(one["phase"]), one["title"], one["reason"],
                lambda: None, risk=Risk(one["risk"]))  # fmt: skip


def _gate(key: str) -> Step:
    return Step(key, key.split("@")[1], Phase.HEALTH, "wait until ready", "always", lambda: None)


def _save(name: str, title: str, drawn: Any) -> None:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(drawn)
    save_screen(console, name, title)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
