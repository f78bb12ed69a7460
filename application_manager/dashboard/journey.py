"""The way of one job, hop by hop, with the time each hop took. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from application_manager.dashboard.words import job_look, span_words
from common.jobs import TERMINAL, JobState


@dataclass(frozen=True)
class Step:
    """One stop on the way; `hop` is how long it took to get here from the one before."""

    name: str
    icon: str
    tone: str
    at: datetime | None = None
    hop: str = ""
    state: str = "to come"  # done, now, to come

    @property
    def css(self) -> str:
        return {"done": "is-done", "now": "is-now"}.get(self.state, "")


def steps_of(
    job: Mapping[str, Any], last: Mapping[str, Any] | None, events: Sequence[Mapping[str, Any]]
) -> list[Step]:
    """Return due → commanded → placed → container up → end, of the job's last attempt."""
    end_look = job_look(job["state"])
    is_over = job["state"] in TERMINAL
    commanded = _first(events, {JobState.QUEUED}, job["attempt"])
    placed = last["placed_at"] if last else None
    known: list[tuple[str, str, str, datetime | None]] = [
        ("Due", "calendar", "plan", job["due"]),
        ("Commanded", "queued", "wait", commanded),
        ("Placed", "nodes", "run", placed),
        ("Container up", "running", "run", job["started_at"]),
    ]
    if is_over and job["started_at"] is None:
        known = [step for step in known if step[3] is not None]
    end_name = end_look.word.capitalize() if is_over else "End"
    end_icon, end_tone = (end_look.icon, end_look.tone) if is_over else ("ended", "plan")
    known.append((end_name, end_icon, end_tone, job["ended_at"]))
    return _with_hops(known)


def _with_hops(known: Sequence[tuple[str, str, str, datetime | None]]) -> list[Step]:
    reached = [index for index, step in enumerate(known) if step[3] is not None]
    furthest = reached[-1] if reached else 0
    steps: list[Step] = []
    before: datetime | None = None
    for index, (name, icon, tone, at) in enumerate(known):
        state = "done" if index <= furthest else "to come"
        if index == furthest and index < len(known) - 1:
            state = "now"
        hop = span_words((at - before).total_seconds()) if at and before else ""
        steps.append(Step(name, icon, tone, at, hop, state))
        before = at or before
    return steps


def _first(
    events: Sequence[Mapping[str, Any]], states: set[JobState], attempt: int
) -> datetime | None:
    for event in events:
        if event["to_state"] in states and event["attempt"] == attempt:
            at: datetime = event["at"]
            return at
    return None
