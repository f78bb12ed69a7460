"""`rota top`: nodes and running jobs, drawn anew every second."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from cli.api import Api
from cli.ending import left_in_order
from cli.output import relative_text
from common.clock import SystemClock

EVERY_S = 1.0
LIVE_STATES = ("QUEUED", "STARTING", "RUNNING", "STOPPING", "UNKNOWN", "WAITING")
MOST_JOBS = 40


def show(api: Api, rounds: int | None = None) -> None:
    """Draw until stopped, or so many times."""
    console = Console()
    shown = Live(console=console, screen=console.is_terminal, auto_refresh=False)
    with left_in_order(), shown as live:
        drawn = 0
        while rounds is None or drawn < rounds:
            now = SystemClock().now()
            jobs = api.items("/jobs", MOST_JOBS, state=LIVE_STATES)
            live.update(picture(api.items("/nodes"), jobs, now), refresh=True)
            drawn += 1
            if drawn != rounds:
                time.sleep(EVERY_S)


def picture(
    nodes: Sequence[dict[str, Any]], jobs: Sequence[dict[str, Any]], now: datetime
) -> Group:
    """Put both tables together."""
    top = Table("NODE", "STATE", "CPU", "RAM", "LOAD", "JOBS", "ALONE WITH", box=None)
    for node in nodes:
        figures = (_percent(node[key]) for key in ("cpu", "ram", "load"))
        top.add_row(node["node"], node["state"], *figures, str(node["jobs"]),
                    node["standalone_job"] or "")  # fmt: skip
    below = Table("JOB", "STATE", "NODE", "SINCE", "STOPS", box=None)
    for job in jobs:
        since = _distance(job["started_at"] or job["due"], now)
        below.add_row(job["job_id"], job["state"], job["node"] or "", since,
                      _distance(job["stop_at"], now))  # fmt: skip
    head = f"{now.astimezone():%H:%M:%S}  {_count(nodes, 'node')}, {_count(jobs, 'job')}"
    return Group(head, "", top, "", below)


def _count(rows: Sequence[object], what: str) -> str:
    return f"{len(rows)} {what}" + ("" if len(rows) == 1 else "s")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _distance(moment: str | None, now: datetime) -> str:
    if moment is None:
        return ""
    return relative_text(datetime.fromisoformat(moment) - now + timedelta(milliseconds=1))
