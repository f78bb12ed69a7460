"""What the command prints, as files that only change on purpose."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.service.application_manager.bench import NOON, schedule_file
from tests.service.cli.conftest import Command

Golden = Callable[[str, str], None]
JOB = "a.20260302T115900Z.0"
FAILED = "a.20260302T115800Z.0"


@pytest.fixture(name="rota")
def with_jobs(rota: Command) -> Command:
    """A small platform: two nodes, one instance, a job that runs and one that failed."""
    made = rota.world
    made.write("put_node", node="m1", at=NOON, log_port=1)
    made.write("put_node", node="m2", at=NOON, log_port=1)
    made.hear_load("m1", 0.25)
    made.apply(schedule_file("a"))
    made.write("put_schedule", instance="a", next_due=NOON + timedelta(minutes=1))
    made.put_job(FAILED, "FAILED", reason="exit_code", node="m2")
    made.put_job(JOB, "RUNNING", node="m1")
    made.write("put_event", job_id=JOB, at=NOON - timedelta(seconds=60), from_state=None, to_state="QUEUED")
    made.write("put_event", job_id=JOB, at=NOON - timedelta(seconds=59), from_state="QUEUED", to_state="RUNNING")
    chosen = {"node": "m1", "cpu": 0.25, "ram": 0.5, "load": 0.333, "sample_age_s": 1.2, "jobs": 0,
              "verdict": "chosen"}  # fmt: skip
    other = {**chosen, "node": "m2", "cpu": 0.95, "verdict": "over the ceiling"}
    made.call("PUT", "/applications/heating", {"image": "reg:5000/heating:1", "command": ["run", "1"],
                                               "description": "warms rooms"})  # fmt: skip
    made.put_deployment(JOB, explanation=[chosen, other], why_not={"m2": "over the ceiling"})
    return rota


@pytest.mark.parametrize("form", ["table", "wide", "json", "yaml", "name"])
@pytest.mark.parametrize("words", [
    ("job", "list"), ("node", "list"), ("schedule", "list"), ("schedule", "history", "a"),
    ("application", "list"), ("user", "list"), ("token", "list"), ("audit", "list"),
], ids="-".join)  # fmt: skip
def test_lists_in_every_form(rota: Command, golden: Golden, words: tuple[str, ...], form: str) -> None:
    done = rota(*words, "-o", form)
    assert done.code == 0, done.err
    golden(f"{'-'.join(words)}.{form}", done.out)


@pytest.mark.parametrize("form", ["table", "json"])
@pytest.mark.parametrize("words", [
    ("job", "show", JOB), ("job", "explain", JOB), ("node", "show", "m1"), ("schedule", "show", "a"),
], ids=lambda words: "-".join(words[:2]))  # fmt: skip
def test_one_thing(rota: Command, golden: Golden, words: tuple[str, ...], form: str) -> None:
    done = rota(*words, "-o", form)
    assert done.code == 0, done.err
    golden(f"{'-'.join(words[:2])}.{form}", done.out)


def test_a_plan(rota: Command, golden: Golden) -> None:
    text = schedule_file("a", "b", more="priority: 70")
    done = rota("schedule", "plan", "-", stdin=text)
    assert done.code == 20
    golden("schedule-plan.table", done.out)
    done = rota("schedule", "plan", "-", "-o", "json", stdin=text)
    assert json.loads(done.out)["changed"] == 1
    golden("schedule-plan.json", done.out)


def test_help_teaches_by_examples(rota: Command, golden: Golden) -> None:
    groups = {
        "schedule": ["plan", "apply", "list", "show", "delete", "history", "diff", "rollback", "pause",
                     "resume", "skip", "backfill", "validate", "next"],
        "job": ["list", "show", "explain", "logs", "kill", "run", "retry", "wait"],
        "node": ["list", "show", "drain", "uncordon", "remove"],
        "application": ["list", "show", "register", "remove"],
        "notice": ["list", "channels", "add", "remove", "test"],
        "user": ["list", "add", "change", "remove"],
        "token": ["list", "add", "revoke"],
        "audit": ["list"],
        "service": ["list"],
        "event": ["tail"],
    }  # fmt: skip
    for group, verbs in groups.items():
        for verb in verbs:
            said = rota(group, verb, "--help").out
            assert f"\n    rota {group} {verb}" in said, (group, verb)
    golden("help.txt", rota("--help").out)
    golden("help-job.txt", rota("job", "--help").out)


@pytest.mark.parametrize(("name", "words", "code"), [
    ("no-such-job", ("job", "show", "a.20260101T000000Z.0"), 4),
    ("no-such-instance", ("schedule", "show", "nobody"), 4),
    ("bad-state", ("job", "list", "--state", "sleeping"), 2),
    ("not-asked", ("job", "kill", JOB), 2),
    ("has-ended", ("job", "kill", FAILED, "--yes"), 5),
    ("failed", ("job", "wait", FAILED), 10),
    ("no-file", ("schedule", "apply", "/no/such/file"), 2),
    ("pending", ("--timeout", "0.1", "job", "run", "a"), 7),
])  # fmt: skip
def test_errors_have_four_parts_and_an_exit_code(
    rota: Command, golden: Golden, name: str, words: tuple[str, ...], code: int
) -> None:
    done = rota(*words)
    assert done.code == code, done
    assert "Traceback" not in done.err
    url, requests = _hidden(rota, done.err)
    golden(f"error-{name}.txt", requests.replace(url, "http://the-platform"))


def _hidden(rota: Command, text: str) -> tuple[str, str]:
    import os
    import re

    return os.environ["ROTA_URL"], re.sub(r"request [0-9a-f]{32}", "request KEY", text)
