"""How the command ends: exit codes, errors in words, pipes, and what `-o` gives of one thing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import cli.ending
from cli.event import text_in
from cli.output import Format
from tests.service.application_manager.bench import NOON, schedule_file
from tests.service.cli.conftest import Command

REPOSITORY = Path(__file__).resolve().parents[3]
JOB = "a.20260302T115900Z.0"


@pytest.mark.parametrize(("words", "what", "where"), [
    (("nosuch",), "no such command 'nosuch'", "rota"),
    (("job", "nosuch"), "no such command 'nosuch'", "rota job"),
    (("job", "list", "--limit", "0"), "invalid value for '--limit'", "rota job list"),
    (("job", "show"), "missing argument 'JOB'", "rota job show"),
    (("node", "list", "-o", "xml"), "invalid value for '-o' / '--output'", "rota node list"),
])  # fmt: skip
def test_a_command_that_is_not_written_well_is_told_as_any_error(
    rota: Command, words: tuple[str, ...], what: str, where: str
) -> None:
    done = rota(*words)
    assert (done.code, done.out) == (2, "")
    first, *rest = done.err.splitlines()
    assert first.startswith(f"error: {what}")
    assert rest == [f"  where: {where}", f"  next:  {where} --help"]


def test_a_group_without_a_verb_shows_its_help(rota: Command) -> None:
    done = rota("job")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: rota job")


@pytest.mark.parametrize("words", [
    ("job", "show", "a b"), ("job", "show", ""), ("schedule", "show", "x?y"), ("job", "show", "../schedules/a"),
], ids=str)  # fmt: skip
def test_an_id_means_no_other_path(rota: Command, words: tuple[str, ...]) -> None:
    done = rota(*words)
    assert (done.code, done.out, "next:" in done.err) == (2, "", True), done


@pytest.mark.parametrize(("words", "listing"), [
    (("node", "show", "m9"), "rota node list"), (("job", "show", JOB), "rota job list"),
    (("schedule", "show", "b"), "rota schedule list"),
    (("application", "show", "b"), "rota application list"),
    (("notice", "remove", "b", "--yes"), "rota notice channels"),
])  # fmt: skip
def test_what_is_not_there_is_followed_by_what_is(
    rota: Command, words: tuple[str, ...], listing: str
) -> None:
    done = rota(*words)
    assert (done.code, done.err.splitlines()[-1]) == (4, f"  next:  see what there is: {listing}")


def test_an_error_about_a_job_leads_to_that_job(rota: Command) -> None:
    rota.world.put_job(JOB, "SUCCEEDED")
    done = rota("job", "kill", JOB, "--yes")
    assert (done.code, done.err.splitlines()[-1]) == (5, f"  next:  rota job show {JOB}")
    done = rota("job", "logs", JOB)
    assert (done.code, done.err.splitlines()[-1]) == (4, f"  next:  rota job explain {JOB}")


def test_a_name_of_one_thing_is_its_id_alone(rota: Command) -> None:
    rota.world.apply(schedule_file("a"))
    rota.world.put_job(JOB, node="m1")
    rota.world.write("put_node", node="m1", at=NOON, log_port=1)
    rota.world.call("PUT", "/applications/heating", {"image": "x:1", "command": [], "description": ""})
    for words, name in (
        (("job", "show", JOB), JOB), (("job", "explain", JOB), JOB), (("node", "show", "m1"), "m1"),
        (("schedule", "show", "a"), "a"), (("application", "show", "heating"), "heating"),
    ):  # fmt: skip
        done = rota(*words, "-o", "name")
        assert (done.code, done.out) == (0, f"{name}\n")
    done = rota("schedule", "plan", "-", "-o", "name", stdin=schedule_file("a", "b", "c"))
    assert (done.code, done.out) == (20, "b\nc\n")
    done = rota("schedule", "apply", "-", "--yes", "-o", "name", stdin=schedule_file("a", "b"))
    assert (done.code, done.out) == (0, "b\n")


def test_a_due_time_as_a_name_is_rfc_3339_in_utc(rota: Command) -> None:
    words = ("next", "-", "--after", "2026-03-02T00:00:30+05:30", "--count", "1", "-o", "name")
    assert rota("schedule", *words, stdin=schedule_file("a")).out == "2026-03-02T00:00:00Z\n"


def test_an_event_has_every_form() -> None:
    body = {"at": "2026-03-02T11:59:01Z", "from_state": "QUEUED", "to_state": "RUNNING",
            "event_reason": None, "event_detail": "began anew", "job": {"job_id": JOB, "node": "m1"}}  # fmt: skip
    assert json.loads(text_in(Format.JSON, body)) == body
    two = "\n".join(text_in(Format.YAML, body) for _ in range(2))
    assert list(yaml.safe_load_all(two)) == [body, body]
    assert text_in(Format.NAME, body) == JOB
    assert text_in(Format.WIDE, body) == text_in(Format.TABLE, body) + "  began anew"


@pytest.mark.parametrize(("state", "reason", "code"), [
    ("QUEUED", "no_node", 9), ("QUEUED", None, 7), ("RUNNING", None, 7),
])  # fmt: skip
def test_waiting_in_vain_tells_whether_a_machine_was_wanting(
    rota: Command, state: str, reason: str | None, code: int
) -> None:
    rota.world.put_job(JOB, state, reason=reason)
    done = rota("job", "wait", JOB, "--timeout", "0")
    assert (done.code, f"next:  rota job explain {JOB}" in done.err) == (code, True)


def test_a_reader_that_has_gone_ends_it_quietly(tmp_path: Path) -> None:
    file = tmp_path / "a.yml"
    file.write_text(schedule_file("a"))
    for count in (1, 5000):  # what fits in the buffer, and what does not
        reading, writing = os.pipe()
        os.close(reading)
        words = ["schedule", "next", str(file), "--count", str(count)]
        done = subprocess.run([sys.executable, "-m", "cli", *words], cwd=REPOSITORY, stdout=writing,
                              stderr=subprocess.PIPE, check=False)  # fmt: skip
        os.close(writing)
        assert (done.returncode, done.stderr) == (141, b"")


def test_sigterm_unwinds_what_draws_and_ends_with_143() -> None:
    before = signal.getsignal(signal.SIGTERM)
    undone = []

    def draw() -> None:
        with cli.ending.left_in_order():
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                undone.append(True)

    with pytest.raises(SystemExit) as ended:
        draw()
    assert (ended.value.code, undone) == (143, [True])
    assert signal.getsignal(signal.SIGTERM) is before


def test_bash_completes_by_what_is_printed(tmp_path: Path) -> None:
    command = tmp_path / "rota"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cli "$@"\n')
    command.chmod(0o755)
    script = """
    source <(rota completion bash)
    COMP_WORDS=(rota job ""); COMP_CWORD=2
    $(complete -p rota | sed 's/.*-F \\([^ ]*\\).*/\\1/') rota
    echo "${COMPREPLY[@]}"
    """
    done = subprocess.run(["bash", "-c", script], cwd=REPOSITORY, capture_output=True, text=True,
                          env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}, check=True)  # fmt: skip
    assert {"list", "show", "explain", "logs", "kill", "run", "retry", "wait"} <= set(done.stdout.split())


@pytest.mark.parametrize(("shell", "has"), [("zsh", "compdef"), ("fish", "complete --command rota")])
def test_the_other_shells_have_theirs(rota: Command, shell: str, has: str) -> None:
    done = rota("completion", shell)
    assert (done.code, has in done.out) == (0, True)
