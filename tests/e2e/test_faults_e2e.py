"""Machines and their Docker fail while jobs are due and running; the checker judges each run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from tests.checker.check import check
from tests.checker.history import Blind, Due
from tests.e2e.court import following
from tests.e2e.platform import TERMINAL, Platform, now, wait_for
from tests.e2e.schedules import once, soon, stamp

# m2 runs MySQL, which has to go on: cut off are its client, its sshd and its log port.
_CUT = (("OUTPUT", "--dport", "9092"), ("INPUT", "--dport", "22"), ("INPUT", "--dport", "7110"))


def job_id(instance: str, due: datetime, ordinal: int = 0) -> str:
    return f"{instance}.{due:%Y%m%dT%H%M%SZ}.{ordinal}"


def all_ended(platform: Platform, instance: str, count: int) -> bool:
    jobs = platform.jobs(instance)
    return len(jobs) >= count and all(job["state"] in TERMINAL for job in jobs)


def running(platform: Platform, instance: str) -> list[dict[str, object]]:
    return [job for job in platform.jobs(instance) if job["state"] == "RUNNING"]


def wait_until(moment: datetime) -> None:
    time.sleep(max(0.0, (moment - now()).total_seconds()))


@contextmanager
def cut_off(platform: Platform, machine: str) -> Iterator[None]:
    try:
        for chain, *ports in _CUT:
            platform.on_machine(machine, "iptables", "-I", chain, "-p", "tcp", *ports, "-j", "DROP")
        yield
    finally:
        for chain, *ports in _CUT:
            platform.on_machine(machine, "iptables", "-D", chain, "-p", "tcp", *ports, "-j", "DROP")


@contextmanager
def hung_docker(platform: Platform, machine: str) -> Iterator[None]:
    try:
        platform.on_machine(machine, "pkill", "-STOP", "dockerd")
        yield
    finally:
        platform.on_machine(machine, "pkill", "-CONT", "dockerd")


def state_of(platform: Platform, machine: str) -> str:
    nodes = {node["node"]: node["state"] for node in platform.json("node", "list")}
    return str(nodes[machine])


def test_a_machine_cut_off_for_half_a_minute_keeps_its_stop_times(
    platform: Platform, tmp_path: Path
) -> None:
    instance, start = "cut-off", soon(4)
    stop_at = start + timedelta(seconds=22)
    with following(platform, tmp_path) as court:
        platform.apply(once(instance, start, ["forever"], duration="22s", instances=6))
        wait_for("all to run", lambda: len(running(platform, instance)) == 6)
        there = [job for job in running(platform, instance) if job["node"] == "m2"]
        assert there, "none was placed on the machine to be cut off"
        began = now()
        with cut_off(platform, "m2"):
            wait_for("suspicion", lambda: state_of(platform, "m2") == "SUSPECT", 25, 0.3)
            suspected = now() - began
            wait_until(stop_at + timedelta(seconds=3))
            wait_until(began + timedelta(seconds=28))
        back = now()
        wait_for("all to end", lambda: all_ended(platform, instance, 6), 60)
        wait_for("its return", lambda: state_of(platform, "m2") == "ACTIVE", 60)
        history = court.history(
            [Due(instance, start, ordinal, stop_at) for ordinal in range(6)], calm_from=back
        )
    print(f"suspect after {suspected.total_seconds():.1f} s")
    assert check(history) == []  # the stop times on m2, too: nothing there was blind
    assert suspected < timedelta(seconds=21), "15 s after its last heartbeat, which come every 5 s"
    assert {row.state for row in history.rows} == {"ENDED"}
    assert len(history.docker) == 6


def test_a_docker_that_hangs_and_one_that_restarts_double_nothing(
    platform: Platform, tmp_path: Path
) -> None:
    instance, start, count = "docker-ill", soon(4), 16
    end = start + timedelta(seconds=2 * count - 1)
    with following(platform, tmp_path) as court:
        platform.apply(
            once(instance, start, ["run", "60"], interval="2s", duration="6s", overlap="allow",
                 misfire="all", end=stamp(end))
        )  # fmt: skip
        wait_until(start + timedelta(seconds=5))
        since = now()
        with hung_docker(platform, "m1"):
            wait_until(since + timedelta(seconds=14))
        until = now()
        wait_until(end - timedelta(seconds=4))
        alive = {job["job_id"] for job in running(platform, instance)}
        platform.on_machine("m1", "systemctl", "restart", "docker")
        back = now()
        wait_for("all to end", lambda: all_ended(platform, instance, count), 90)
        dues = [start + timedelta(seconds=2 * k) for k in range(count)]
        history = court.history(
            [Due(instance, due, 0, min(due + timedelta(seconds=6), end)) for due in dues],
            # It answers a moment after it was let go on, or started.
            blind=[Blind("m1", since, until + timedelta(seconds=3)),
                   Blind("m1", back - timedelta(seconds=5), back + timedelta(seconds=3))],
            calm_from=back,
        )  # fmt: skip
    assert check(history) == []
    assert {row.state for row in history.rows} <= {"ENDED", "MISSED"}
    assert len([row for row in history.rows if row.state == "ENDED"]) >= count - 6
    assert alive, "none ran while Docker was restarted"


def test_kills_before_twice_and_against_the_apps_will_take_effect(
    platform: Platform, tmp_path: Path
) -> None:
    start, count = soon(6), 5
    stop_at = start + timedelta(seconds=4)
    with following(platform, tmp_path) as court:
        platform.apply(once("killed", start, ["forever"], instances=count))
        platform.apply(
            once("deaf", start, ["ignore-term"], duration="4s", grace="3s")
        )
        wait_until(start - timedelta(seconds=1))
        for ordinal in range(count):  # some before they start, some while they do, some after
            name = job_id("killed", start, ordinal)
            accepted = ("job", "kill", name, "--yes")
            wait_for("its row", lambda ask=accepted: platform.rota(*ask, check=False).returncode == 0,
                     20, 0.05)  # fmt: skip
            platform.rota(*accepted, check=False)  # and again: whatever it is by now
        wait_for("all to end", lambda: all_ended(platform, "killed", count), 60)
        wait_for("the deaf one's end", lambda: all_ended(platform, "deaf", 1), 60)
        dues = [Due("killed", start, ordinal) for ordinal in range(count)]
        history = court.history([*dues, Due("deaf", start, 0, stop_at, 3)])
    assert check(history) == []
    states = {row.job_id: (row.state, row.reason) for row in history.rows}
    assert {states[job_id("killed", start, n)] for n in range(count)} == {("CANCELLED", "user")}
    assert states[job_id("deaf", start)] == ("ENDED", "duration")
    assert [run for run in history.docker if run.died_at is None] == []
