"""The curve below the timeline: CPUs asked for over time, what ran and what is planned."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from application_manager.api.parts import Parts
from application_manager.domain.horizon import DEFAULT_CPUS, Curve, Sums, Window, add_planned
from common.db import Row, Transaction
from common.schedule import InstanceSpec, spec_from_json

Json = dict[str, Any]
STEPS = 240
SHORTEST_STEP = timedelta(minutes=1)
KEPT_FOR = timedelta(seconds=20)
MOST_KEPT = 32
SAMPLED = 250  # schedules that are counted one by one; of more, every n-th stands for n
LOOK_BACK = timedelta(hours=24)  # a job that began earlier than this before a window is not seen
USUAL_OVER = timedelta(days=2)
USUAL_FOR = timedelta(minutes=5)
USUAL_OF = 20_000  # of the newest rows; an instance that is not among them keeps what was known


class UsualLengths:
    """How long jobs of each instance ran lately. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at: datetime | None = None
        self._known: dict[str, float] = {}

    def read(self, transaction: Transaction, now: datetime) -> dict[str, float]:
        """Return seconds by instance; asks the ledger for its newest rows every five minutes."""
        with self._lock:
            if self._read_at is None or now - self._read_at > USUAL_FOR:
                rows = transaction.all(
                    "typical_lengths", since=now - USUAL_OVER, now=now, limit=USUAL_OF
                )
                newest = {row["instance_id"]: float(row["seconds"]) for row in rows}
                self._known = {**self._known, **newest}
                self._read_at = now
            return self._known


class CurveReader:
    """Reads curves, each kept for 20 s. Safe to share between threads."""

    def __init__(self) -> None:
        self.usual = UsualLengths()
        self._lock = threading.Lock()
        self._kept: dict[Window, tuple[datetime, Json]] = {}

    def read(self, parts: Parts, window: Window) -> Json:
        """Return the curve of a window, its edges rounded to whole steps."""
        now = parts.clock.now()
        step = max(SHORTEST_STEP, (window.until - window.since) / STEPS)
        step = timedelta(minutes=-(-step // timedelta(minutes=1)))
        rounded = Window(_floor(window.since, step), _floor(window.until, step) + step)
        with self._lock:
            at, kept = self._kept.get(rounded, (None, {}))
            if at is not None and now - at < KEPT_FOR:
                return kept
            if len(self._kept) > MOST_KEPT:
                self._kept.clear()
        made = self._make(parts, rounded, step, now)
        with self._lock:
            self._kept[rounded] = now, made
        return made

    def _make(self, parts: Parts, window: Window, step: timedelta, now: datetime) -> Json:
        curve = Curve.empty(window, step)
        with parts.screens.transaction() as transaction:
            usual = self.usual.read(transaction, now)
            rows = transaction.all("all_schedules") if window.until > now else []
            past = transaction.all(
                "past_load", since=window.since, earliest=window.since - LOOK_BACK,
                until=min(now, window.until), now=now, step_s=int(step.total_seconds()),
                default_cpus=DEFAULT_CPUS,
            ) if window.since < now else []  # fmt: skip
            nodes = transaction.all("all_nodes")
        _add_past(curve, past)
        specs = [spec_from_json(row["spec"]) for row in rows[:: _stride(rows)]]
        pairs: list[tuple[InstanceSpec, float | None]] = [(s, usual.get(s.id)) for s in specs]
        add_planned(curve, pairs, now, float(_stride(rows)))
        return {
            "since": window.since.timestamp(), "step_s": step.total_seconds(),
            "now": now.timestamp(), "cpus": [round(value, 2) for value in curve.cpus],
            "jobs": [round(value, 1) for value in curve.jobs],
            "capacity": sum(row["cpus"] for row in nodes if row["state"] == "ACTIVE"),
            "sampled": _stride(rows),
        }  # fmt: skip


def _add_past(curve: Curve, rows: Sequence[Row]) -> None:
    for row in rows:
        jobs, cpus = (
            Sums(float(row[kind]), float(row[f"{kind}_begin"]), float(row[f"{kind}_end"]))
            for kind in ("jobs", "cpus")
        )
        curve.add_sums(int(row["first_step"]), int(row["last_step"]), jobs, cpus)


def _stride(rows: Sequence[Row]) -> int:
    return max(1, -(-len(rows) // SAMPLED))


def _floor(moment: datetime, step: timedelta) -> datetime:
    epoch = datetime(1970, 1, 1, tzinfo=moment.tzinfo)
    return epoch + (moment - epoch) // step * step
