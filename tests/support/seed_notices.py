"""Whom the seeded week's notices went to, and what became of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

Json = dict[str, Any]
MAIL = "facilities@example.org"
"""Whom the schedule files' own `notify` names."""
OPS = "https://hooks.example/ops"
PAGER = "https://pager.example/v2/enqueue"
CHANNELS = (
    {"name": "ops", "url": OPS, "kinds": ["failed", "missed", "late"], "actor": "priya"},
    {"name": "pager", "url": PAGER, "kinds": ["failed"], "actor": "amara"},
)
NEWEST, SILENT = 60, 4
_KINDS = {"FAILED": "failed", "TIMED_OUT": "failed", "UPSTREAM_FAILED": "failed", "MISSED": "missed"}


def channels(now: datetime) -> list[Json]:
    return [{**each, "kinds": json.dumps(each["kinds"]), "created_at": now - timedelta(days=5)}
            for each in CHANNELS]  # fmt: skip


def notices(jobs: Sequence[Mapping[str, Any]], now: datetime) -> list[Json]:
    """Tell of the newest jobs that went wrong; the pager has been silent since the last few."""
    wrong = sorted((job for job in jobs if job["state"] in _KINDS and job["ended_at"]),
                   key=lambda job: job["ended_at"])[-NEWEST:]  # fmt: skip
    return [row for number, job in enumerate(wrong, 1)
            for row in _of_job(number, job, None if number <= len(wrong) - SILENT else now)]  # fmt: skip


def _of_job(number: int, job: Mapping[str, Any], silent_at: datetime | None) -> Iterator[Json]:
    kind = _KINDS[job["state"]]
    row = {"event_id": -number, "job_id": job["job_id"], "kind": kind, "body": "{}", "tries": 1,
           "state": "sent", "error": None, "created_at": job["ended_at"],
           "next_try_at": job["ended_at"]}  # fmt: skip
    yield {**row, "channel": "webhook", "source": "ops", "url": OPS}
    if job["instance_id"].endswith("-backup"):
        yield {**row, "channel": "mail", "source": "", "url": f"mailto:{MAIL}"}
    if kind == "failed":
        waits = {"state": "waiting", "tries": 5, "error": "ConnectTimeout: timed out",
                 "next_try_at": silent_at + timedelta(minutes=25)} if silent_at else {}  # fmt: skip
        yield {**row, "channel": "webhook", "source": "pager", "url": PAGER, **waits}


SQL = """
-- name: put_channels
INSERT INTO rota_app.channels (name, url, kinds, created_by, created_at)
VALUES (%(name)s, %(url)s, %(kinds)s, %(actor)s, %(created_at)s);
-- name: put_notices
INSERT INTO rota_app.notices (event_id, job_id, kind, channel, source, url, body, state, tries,
  next_try_at, error, created_at)
VALUES (%(event_id)s, %(job_id)s, %(kind)s, %(channel)s, %(source)s, %(url)s, %(body)s, %(state)s,
  %(tries)s, %(next_try_at)s, %(error)s, %(created_at)s);
"""
