"""The demo application, run as the script it is."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "images/demo-app/demo-app.sh"


def start(*arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "ROTA_JOB_ID": "job-7", "ROTA_ATTEMPT": "2"}
    return subprocess.Popen(["/bin/sh", str(SCRIPT), *arguments], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=environment,
                            start_new_session=True)


def end_group(process: subprocess.Popen[str]) -> None:
    """In a container the end of the first process ends the others; here we do."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=20)


def wait_for_start(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    while "event=start" not in process.stdout.readline():
        assert process.poll() is None


def test_it_prints_its_environment_and_ends_with_the_chosen_code():
    process = start("run", "0", "3")
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 3
    assert "ROTA_ATTEMPT=2" in out.splitlines()
    assert "job=job-7 attempt=2" in out
    assert out.rstrip().endswith("event=end code=3")


@pytest.mark.parametrize("arguments", [
    ["forever"], ["run", "600"], ["burn-cpu"], ["hold-memory", "1"],
])
def test_sigterm_ends_it_at_once_with_zero(arguments):
    process = start(*arguments)
    try:
        wait_for_start(process)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)
    finally:
        end_group(process)
    assert process.returncode == 0
    assert "event=signal name=TERM" in out


def test_ignore_term_goes_on_after_sigterm():
    process = start("ignore-term")
    try:
        wait_for_start(process)
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        assert "ignored=yes" in process.stdout.readline()
        assert process.poll() is None
    finally:
        end_group(process)


@pytest.mark.parametrize("arguments", [[], ["run"], ["hold-memory"], ["dance"]])
def test_wrong_use_is_told_and_exits_2(arguments):
    process = start(*arguments)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "demo-app run SECONDS [EXIT_CODE]" in err
