"""The forms of the command line that others build on: verbs, options, keys, exit codes, streams.

They are written out here, not read from the code: what changes one of them breaks somebody's script.
"""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime, timedelta

import pytest

import cli.login
from cli.errors import ExitCode
from scripts.reference.commands import verbs
from tests.service.application_manager.bench import NOON, schedule_file
from tests.service.cli.conftest import Command

JOB = "a.20260302T115900Z.0"
VERBS = {
    "platform": "init doctor plan up status logs upgrade rollback backup restore audit down destroy",
    "platform machine": "add drain remove",
    "platform secrets": "rotate",
    "platform certs": "renew",
    "platform render": "compose",
    "schedule": "validate next plan apply list show history pause resume delete diff rollback backfill skip schema",
    "job": "list show explain logs kill run retry wait",
    "node": "list show drain uncordon",
    "service": "list",
    "event": "tail",
    "application": "list show register remove",
    "user": "list add change remove",
    "token": "list add revoke",
    "audit": "list",
    "": "top login version completion",
}
OPTIONS = {
    "platform plan": "-o --detailed-exitcode", "platform up": "--plan --limit --json",
    "platform status": "--watch --json", "platform rollback": "--to --yes",
    "platform machine remove": "--dead --yes", "platform destroy": "--data --yes",
    "schedule next": "--after --count --instance -o", "schedule apply": "--yes -o",
    "job logs": "-f --tail", "node drain": "--move --force --yes", "login": "--token-file --ca-file",
}  # fmt: skip
JOB_KEYS = {
    "job_id", "instance", "due", "ordinal", "attempt", "state", "reason", "node", "started_at",
    "ended_at", "stop_at", "exit_code", "lateness_ms",
}  # fmt: skip
NODE_KEYS = {
    "node", "state", "cpu", "ram", "load", "sampled_at", "jobs", "standalone_job", "labels",
}  # fmt: skip
EXITS = {
    "OK": 0, "UNEXPECTED": 1, "USAGE": 2, "INVALID_FILE": 3, "NOT_FOUND": 4, "CONFLICT": 5, "FORBIDDEN": 6,
    "UNREACHABLE": 7, "PARTLY_DONE": 8, "NO_CAPACITY": 9, "JOB_FAILED": 10, "HAS_CHANGES": 20,
}  # fmt: skip


def test_every_verb_and_option_is_there() -> None:
    there = {words: {name for p in command.params for name in p.opts} for words, command in verbs()}
    wanted = {f"{group} {verb}".strip() for group, names in VERBS.items() for verb in names.split()}
    assert wanted - set(there) == set()
    for words, options in OPTIONS.items():
        assert set(options.split()) - there[words] == set(), words


def test_exit_codes_keep_their_numbers() -> None:
    assert {code.name: int(code) for code in ExitCode} == EXITS


@pytest.fixture(name="rota")
def with_a_job(rota: Command) -> Command:
    rota.world.write("put_node", node="m1", at=NOON, log_port=1)
    rota.world.apply(schedule_file("a"))
    rota.world.write("put_schedule", instance="a", next_due=NOON + timedelta(minutes=1))
    rota.world.put_job(JOB, "RUNNING", node="m1")
    return rota


def test_the_objects_of_lists_have_their_keys(rota: Command) -> None:
    jobs = json.loads(rota("job", "list", "-o", "json").out)
    assert {job["state"] for job in jobs} == {"PLANNED", "RUNNING"}
    assert all(set(job) >= JOB_KEYS for job in jobs)
    assert all(set(node) >= NODE_KEYS for node in json.loads(rota("node", "list", "-o", "json").out))


def test_times_for_programs_are_rfc_3339_in_utc(rota: Command) -> None:
    job = json.loads(rota("job", "show", JOB, "-o", "json").out)
    assert job["due"] == "2026-03-02T11:59:00Z"
    assert datetime.fromisoformat(job["due"]).astimezone(UTC) == NOON - timedelta(minutes=1)
    assert "11:59:00 (1 m ago)" in rota("job", "list").out


@pytest.mark.parametrize("words", [
    ("job", "list"), ("job", "show", JOB), ("job", "explain", JOB), ("node", "list"), ("schedule", "list"),
    ("service", "list"), ("top", "--rounds", "1"), ("job", "show", "b.20260302T115900Z.0"), ("job", "--help"),
], ids=" ".join)  # fmt: skip
def test_nothing_is_coloured_without_a_terminal(rota: Command, words: tuple[str, ...]) -> None:
    done = rota(*words)
    assert "\x1b" not in done.out + done.err


def test_what_a_person_reads_about_an_apply_is_beside_the_data(rota: Command) -> None:
    done = rota("schedule", "apply", "-", "--yes", "-o", "json", stdin=schedule_file("a", "b"))
    assert (done.code, json.loads(done.out)["added"], "applied: 1 added" in done.err) == (0, 1, True)
    kinds = [(change["kind"], len(change.get("next", []))) for change in json.loads(
        rota("schedule", "plan", "-", "-o", "json", stdin=schedule_file("c")).out)["changes"]]  # fmt: skip
    assert kinds == [("added", 5)]


def test_who_may_only_look_is_told_so_with_exit_6(rota: Command, monkeypatch: pytest.MonkeyPatch,
                                                  tmp_path) -> None:  # fmt: skip
    token = tmp_path / "viewer"
    token.write_text(rota("token", "add", "looks", "--role", "viewer").out)
    monkeypatch.setenv("ROTA_TOKEN_FILE", str(token))
    assert rota("job", "list").code == 0
    done = rota("job", "kill", JOB, "--yes")
    assert (done.code, "next:" in done.err) == (6, True)


def test_a_mistake_of_ours_is_one_line_and_exit_1(rota: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_off(*_: object) -> None:
        raise KeyError("nobody thought of this")

    monkeypatch.setattr(cli.login, "remember", break_off)
    done = rota("login", "http://x")
    assert (done.code, done.out, "Traceback" in done.err) == (1, "", False)
    assert done.err.startswith("error: KeyError: 'nobody thought of this'\n")


def test_ctrl_c_ends_with_130(rota: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(cli.login, "remember", interrupted)
    done = rota("login", "http://x")
    assert (done.code, "Traceback" in done.err) == (130, False)
