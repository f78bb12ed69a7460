"""What the verbs do on the platform."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from common.drains import impact_of
from tests.service.application_manager.bench import NOON, TOKEN, schedule_file
from tests.service.cli.conftest import Command

JOB = "a.20260302T115900Z.0"


def test_apply_stores_what_it_shows(rota: Command) -> None:
    done = rota("schedule", "apply", "-", "--yes", stdin=schedule_file("a", "b"))
    assert (done.code, "applied: 2 added" in done.err) == (0, True)
    assert done.out.count("stops") == 10, "the next five due times of each"
    assert [row["instance"] for row in json.loads(rota("schedule", "list", "-o", "json").out)] == ["a", "b"]
    again = rota("schedule", "apply", "-", "--yes", stdin=schedule_file("a", "b"))
    assert "nothing to change (2 unchanged)" in again.out


def test_apply_reads_several_files_together(rota: Command, tmp_path: Path) -> None:
    for name, more in (("a", ""), ("b", "depends_on: [{instance: a}]")):
        (tmp_path / name).write_text(schedule_file(name, more=more))
    assert rota("schedule", "apply", str(tmp_path / "a"), str(tmp_path / "b"), "--yes").code == 0


def test_apply_without_a_terminal_needs_yes(rota: Command) -> None:
    done = rota("schedule", "apply", "-", stdin=schedule_file("a"))
    assert (done.code, "--yes" in done.err) == (2, True)
    assert rota.world.get("/schedules")["items"] == []


def test_a_file_with_problems_is_told_with_its_lines_and_exit_3(rota: Command) -> None:
    wrong = schedule_file("a").replace("command:", "comand:")
    done = rota("schedule", "apply", "-", "--yes", stdin=wrong)
    assert (done.code, done.out) == (3, "")
    assert "-:5:" in done.err
    assert "did you mean" in done.err


def test_a_parent_that_is_nowhere_is_told_by_the_platform(rota: Command) -> None:
    child = schedule_file("b", more="depends_on: [{instance: a}]")
    done = rota("schedule", "apply", "-", "--yes", stdin=child)
    assert (done.code, "unknown_parent" in done.err) == (3, True)
    rota.world.apply(schedule_file("a"))
    assert rota("schedule", "apply", "-", "--yes", stdin=child).code == 0


def test_delete_asks_and_stops(rota: Command) -> None:
    rota.world.apply(schedule_file("a"))
    assert rota("schedule", "delete", "a").code == 2
    assert rota("schedule", "delete", "a", "--yes").code == 0
    assert rota.world.get("/schedules")["items"] == []


def test_a_kill_and_a_drain_reach_those_who_do_it(rota: Command) -> None:
    rota.world.put_job(JOB)
    rota.world.write("put_node", node="m1", at=NOON, log_port=1)
    assert rota("job", "kill", JOB, "--yes").code == 0
    assert rota("node", "drain", "m1", "--move", "--yes").code == 0
    assert rota("node", "uncordon", "m1").code == 0
    assert [r["kind"] for r in rota.world.read("requests")] == ["kill"]
    assert [r["wish"] for r in rota.world.read("node_requests")] == ["DRAINING:move", ""]


def test_of_a_node_that_is_not_there_no_drain_is_told_or_asked(rota: Command) -> None:
    done = rota("node", "drain", "m77")
    assert done.code == 4
    assert "m77" in done.err
    assert "job" not in done.err


@pytest.mark.parametrize(("words", "said"), [
    ([], "they go on to their end, 1 of them without a stop time"),
    (["--move"], ("those with `on_node_lost: reschedule` begin anew on other nodes; of the others: "
                  "they go on to their end, 1 of them without a stop time")),
    (["--force"], "all of them are killed"),
])  # fmt: skip
def test_a_drain_tells_first_what_becomes_of_the_jobs(rota: Command, words: list[str], said: str) -> None:
    rota.world.put_job(JOB, state="RUNNING", node="m1")
    rota.world.write("put_node", node="m1", at=NOON, log_port=1)
    told = rota("node", "drain", "m1", *words, "--yes")
    assert told.err.splitlines()[:2] == [f"1 job on m1: {JOB}", said]


def test_a_drain_tells_when_the_last_job_is_stopped_and_counts_many() -> None:
    jobs = [{"job_id": f"j{n}", "stop_at": f"2026-03-02T12:0{n}:00Z" if n else None} for n in range(7)]
    assert impact_of("m1", "wait", jobs).splitlines() == [
        "7 jobs on m1: j0, j1, j2, j3, j4 and 2 more",
        "they go on to their end, at the latest at 2026-03-02T12:06:00Z and 1 of them without a stop time",
    ]
    assert impact_of("m1", "force", []) == "m1 has no jobs now"


def test_pause_resume_rollback_and_backfill(rota: Command) -> None:
    rota.world.apply(schedule_file("a").replace(", duration: 5s", ""))
    rota.world.apply(schedule_file("a", more="priority: 9").replace(", duration: 5s", ""))
    assert rota("schedule", "pause", "a", "--reason", "why not").code == 0
    assert rota.world.get("/schedules/a")["pause_reason"] == "why not"
    assert rota("schedule", "resume", "a").code == 0
    assert rota("schedule", "rollback", "a", "--to", "1", "--yes").code == 0
    assert rota.world.get("/schedules/a")["version"] == 3
    span = ("--after", "2026-03-02T11:57:30Z", "--until", "2026-03-02T11:59:30Z")
    done = rota("schedule", "backfill", "a", *span, "--yes")
    assert (done.code, "2 runs asked for" in done.err) == (0, True)


def test_login_keeps_the_token_for_this_user_only(rota: Command, tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    url = os.environ["ROTA_URL"]
    token = tmp_path / "given"
    token.write_text(TOKEN + "\n")
    assert rota("login", url, "--token-file", str(token)).code == 0
    kept = tmp_path / "config" / "rota" / "config.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    monkeypatch.delenv("ROTA_URL")
    monkeypatch.delenv("ROTA_TOKEN_FILE")
    assert rota("job", "list").code == 0
    token.write_text("wrong")
    refused = rota("login", url, "--token-file", str(token))
    assert (refused.code, TOKEN in kept.read_text()) == (6, True)
    assert rota("login", url, "--token-file", "-", stdin=TOKEN).code == 0


def test_without_a_login_the_next_command_is_told(rota: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROTA_URL")
    done = rota("job", "list")
    assert (done.code, "rota login URL" in done.err) == (2, True)


def test_an_unreachable_platform_is_exit_7(rota: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROTA_URL", "http://127.0.0.1:9")
    done = rota("job", "list")
    assert (done.code, "does not answer" in done.err) == (7, True)


def test_top_draws_nodes_and_jobs(rota: Command) -> None:
    rota.world.put_job(JOB, node="m1")
    rota.world.write("put_node", node="m1", at=NOON, log_port=1)
    done = rota("top", "--rounds", "1")
    assert (done.code, JOB in done.out, "m1" in done.out) == (0, True, True)


def test_completion_knows_the_groups_and_their_verbs(rota: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_ROTA_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "rota job ")
    monkeypatch.setenv("COMP_CWORD", "2")
    words = rota().out.split()
    assert {"list", "show", "explain", "logs", "kill", "run", "retry", "wait"} <= set(words)
