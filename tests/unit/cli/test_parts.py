"""Small parts of the command line, and how fast the most used verb is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.api import RefusedError
from cli.errors import ExitCode
from cli.event import line_of
from cli.events import parse_events
from cli.explaining import explanation_of

REPOSITORY = Path(__file__).resolve().parents[3]
SMALL = b"version: 1\ninstances:\n  - {id: a, app: 'x:1', schedule: {cron: '0 8 * * *'}}\n"


def test_events_are_cut_wherever_the_chunks_end() -> None:
    stream = b': hello\n\nid: 7\nevent: job\ndata: {"a": 1}\n\nevent: nodes\ndata: {}\n\nevent: half'
    for size in (1, 3, 100):
        chunks = [stream[i : i + size] for i in range(0, len(stream), size)]
        events = list(parse_events(chunks))
        assert [(e.name, e.body, e.event_id) for e in events] == [
            ("job", {"a": 1}, "7"), ("nodes", {}, None)
        ]  # fmt: skip


def test_a_change_is_one_line() -> None:
    body = {"at": "not-a-time", "from_state": None, "to_state": "RUNNING", "event_reason": "user",
            "job": {"job_id": "a.1.0", "node": "m1"}}  # fmt: skip
    assert line_of(body) == "not-a-time  a.1.0  - -> RUNNING (user) on m1"


def test_why_not_yet_is_told_for_each_node_and_parent() -> None:
    found = {"job_id": "j", "state": "QUEUED", "reason": "no_node", "node": None, "detail": None,
             "why_not": {"m2": "too busy", "m1": "no label zone=a"},
             "waits_for": [{"instance": "p", "on": "success", "state": None}]}  # fmt: skip
    assert explanation_of(found) == [
        "j is QUEUED (no_node)",
        "no node fits; it is tried again at every change of the nodes",
        "waits for p to be success: not due yet",
        "not on m1: no label zone=a",
        "not on m2: too busy",
        "next: rota node list",
    ]


@pytest.mark.parametrize(("status", "code"), [
    (401, ExitCode.FORBIDDEN), (403, ExitCode.FORBIDDEN), (404, ExitCode.NOT_FOUND),
    (409, ExitCode.CONFLICT), (422, ExitCode.USAGE), (503, ExitCode.UNREACHABLE),
    (500, ExitCode.UNEXPECTED),
])  # fmt: skip
def test_a_refusal_has_the_exit_code_of_its_kind(status: int, code: ExitCode) -> None:
    error = RefusedError(status, {"detail": "no"}, "http://x")
    assert (error.exit_code, error.what) == (code, "no")


def test_validate_takes_at_most_300_ms(tmp_path: Path) -> None:
    """Its processor time, the best of several: what it takes where nothing else runs."""
    file = tmp_path / "small.yml"
    file.write_bytes(SMALL)
    command = [sys.executable, "-m", "cli", "schedule", "validate", str(file)]
    took = []
    for _ in range(5):
        before = os.times()
        subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
        after = os.times()
        took.append(sum(after[2:4]) - sum(before[2:4]))
        if took[-1] <= 0.3:
            break
    assert min(took) <= 0.3, took
