"""A machine loses its power, its client or its lines while jobs run there; the checker judges."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.checker.check import check
from tests.checker.history import Due
from tests.e2e.court import following
from tests.e2e.platform import Platform, now, wait_for
from tests.e2e.schedules import once, soon
from tests.e2e.test_faults_e2e import all_ended, cut_off, running, state_of, wait_until

AWAY = "m3"  # it runs no service but its client
COUNT = 6
LOST_WITHIN = timedelta(seconds=45)
CLIENT_AWAY = timedelta(seconds=75)
CUT_OFF = timedelta(seconds=150)  # long past the loss of its node


def together(first: str, *others: str) -> str:
    """Make one file of several, so that all are applied before they are due."""
    return first + "".join(other.partition("instances:\n")[2] for other in others)


def power_off(platform: Platform, machine: str) -> datetime:
    """End all at once, as a pulled plug does: nothing there is told or written any more."""
    subprocess.run(["docker", "kill", platform.container_of(machine)], check=True,
                   capture_output=True, timeout=60)  # fmt: skip
    return now()


def address_of(platform: Platform, machine: str) -> str:
    """Return the address by which the others know a machine."""
    argv = ["docker", "inspect", "-f", "{{.NetworkSettings.IPAddress}}",
            platform.container_of(machine)]  # fmt: skip
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def power_on(platform: Platform, machine: str, address: str) -> None:
    """Boot it: systemd starts its Docker, that starts the client, and nobody else does anything.

    A real machine keeps its address; where the host's Docker has given it another, it gets its own
    back beside that.
    """
    subprocess.run(["docker", "start", platform.container_of(machine)], check=True,
                   capture_output=True, timeout=60)  # fmt: skip
    if address not in platform.on_machine(machine, "hostname", "-I").split():
        platform.on_machine(machine, "ip", "address", "add", f"{address}/16", "dev", "eth0")


def on_away(platform: Platform, instance: str) -> set[str]:
    """Return the jobs of an instance that run on the machine to be hit."""
    return {str(job["job_id"]) for job in running(platform, instance) if job["node"] == AWAY}


def all_run(platform: Platform, *instances: str) -> bool:
    return all(len(running(platform, instance)) == COUNT for instance in instances)


@pytest.mark.timeout(900)
def test_a_machine_without_power_is_lost_in_time_and_comes_back_as_the_same_node(
    platform: Platform, tmp_path: Path
) -> None:
    start = soon(15)
    stop_at = start + timedelta(seconds=240)
    with following(platform, tmp_path) as court:
        platform.apply(together(*(
            once(instance, start, ["forever"], duration="240s", instances=COUNT,
                 on_node_lost=policy)
            for instance, policy in (("moves", "reschedule"), ("fails", "fail")))))  # fmt: skip
        wait_for("all to run", lambda: all_run(platform, "moves", "fails"), 60)
        moving, failing = on_away(platform, "moves"), on_away(platform, "fails")
        assert moving, f"none was placed on {AWAY}"
        assert failing, f"none was placed on {AWAY}"
        address, off = address_of(platform, AWAY), power_off(platform, AWAY)
        wait_for("its loss", lambda: state_of(platform, AWAY) == "LOST", 90)
        lost_after = now() - off
        wait_for("word of its jobs", lambda: not on_away(platform, "moves")
                 and not on_away(platform, "fails"), 30)  # fmt: skip
        power_on(platform, AWAY, address)
        back = now()
        wait_for("Docker there", lambda: platform.on_machine(AWAY, "docker", "ps", check=False), 90)
        court.follow_again(AWAY)
        wait_for("its return", lambda: state_of(platform, AWAY) == "ACTIVE", 90)
        returned_after = now() - back
        wait_until(stop_at)
        wait_for("all to end", lambda: all(
            all_ended(platform, instance, COUNT) for instance in ("moves", "fails")), 60)
        history = court.history(
            [Due(instance, start, ordinal, stop_at)
             for instance in ("moves", "fails") for ordinal in range(COUNT)],
            off={AWAY: off}, calm_from=back,
        )  # fmt: skip
    print(f"LOST after {lost_after.total_seconds():.1f} s,"
          f" ACTIVE {returned_after.total_seconds():.1f} s after power")  # fmt: skip
    assert check(history) == []
    rows = {row.job_id: row for row in history.rows}
    assert {(rows[job].state, rows[job].reason) for job in failing} == {("LOST", "node_lost")}
    # Its disk has survived, so Docker there proves that they ended; they went on as a new attempt.
    assert {(rows[job].state, rows[job].reason, rows[job].attempt) for job in moving} == {
        ("ENDED", "duration", 2)}  # fmt: skip
    others = [row.state for row in history.rows if row.job_id not in moving | failing]
    assert set(others) == {"ENDED"}
    assert lost_after < LOST_WITHIN


@contextmanager
def without_client(platform: Platform, machine: str) -> Iterator[datetime]:
    """Take the client away by force, and for as long as it lasts: Docker takes it for an order."""
    try:
        platform.on_machine(machine, "docker", "kill", "rota-client")
        yield now()
    finally:
        platform.on_machine(machine, "docker", "start", "rota-client")


@pytest.mark.timeout(900)
def test_a_machine_without_its_client_keeps_apps_and_stop_times_and_all_are_adopted(
    platform: Platform, tmp_path: Path
) -> None:
    start = soon(15)
    lasts = {"short": timedelta(seconds=90), "long": timedelta(seconds=210)}
    with following(platform, tmp_path) as court:
        platform.apply(together(*(
            once(instance, start, ["forever"], instances=COUNT, duration=f"{duration.seconds}s")
            for instance, duration in lasts.items())))  # fmt: skip
        wait_for("all to run", lambda: all_run(platform, *lasts), 60)
        short, long = on_away(platform, "short"), on_away(platform, "long")
        assert short, f"none was placed on {AWAY}"
        assert long, f"none was placed on {AWAY}"
        with without_client(platform, AWAY) as off:
            wait_until(max(off + CLIENT_AWAY, start + lasts["short"] + timedelta(seconds=10)))
            assert state_of(platform, AWAY) == "SUSPECT", "its sshd answers: it is not lost"
        back = now()
        wait_for("its return", lambda: state_of(platform, AWAY) == "ACTIVE", 60)
        wait_for("the end of the short ones", lambda: all_ended(platform, "short", COUNT), 60)
        wait_for("the adoption of the long ones", lambda: on_away(platform, "long") == long, 60)
        wait_until(start + lasts["long"])
        wait_for("all to end", lambda: all_ended(platform, "long", COUNT), 60)
        history = court.history(
            [Due(instance, start, ordinal, start + duration)
             for instance, duration in lasts.items() for ordinal in range(COUNT)],
            calm_from=back,
        )  # fmt: skip
    assert check(history) == []  # stop times, too: nobody is said to have been blind
    assert off < start + lasts["short"], "no stop time fell into its absence"
    assert {(row.state, row.reason, row.attempt) for row in history.rows} == {
        ("ENDED", "duration", 1)}  # fmt: skip
    assert len(history.docker) == 2 * COUNT


@pytest.mark.timeout(900)
def test_a_machine_cut_off_past_its_loss_keeps_its_stop_times_and_gets_no_second_container(
    platform: Platform, tmp_path: Path
) -> None:
    start = soon(15)
    lasts = {"short": timedelta(seconds=100), "long": timedelta(seconds=240)}
    with following(platform, tmp_path) as court:
        platform.apply(together(*(
            once(instance, start, ["forever"], instances=COUNT, duration=f"{duration.seconds}s",
                 on_node_lost="reschedule")
            for instance, duration in lasts.items())))  # fmt: skip
        wait_for("all to run", lambda: all_run(platform, *lasts), 60)
        short, long = on_away(platform, "short"), on_away(platform, "long")
        assert short, f"none was placed on {AWAY}"
        assert long, f"none was placed on {AWAY}"
        began = now()
        with cut_off(platform, AWAY):
            wait_for("its loss", lambda: state_of(platform, AWAY) == "LOST", 90)
            lost_after = now() - began
            wait_until(began + CUT_OFF)
            told = {str(job["job_id"]): job["state"] for instance in lasts
                    for job in platform.jobs(instance)}  # fmt: skip
            assert {told[job] for job in long} == {"UNKNOWN"}, "it may run there: so nowhere else"
        back = now()
        wait_for("its return", lambda: state_of(platform, AWAY) == "ACTIVE", 90)
        wait_for("word of the long ones", lambda: on_away(platform, "long") == long, 60)
        wait_until(start + lasts["long"])
        wait_for("all to end", lambda: all(
            all_ended(platform, instance, COUNT) for instance in lasts), 60)
        history = court.history(
            [Due(instance, start, ordinal, start + duration)
             for instance, duration in lasts.items() for ordinal in range(COUNT)],
            calm_from=back,
        )  # fmt: skip
    print(f"LOST after {lost_after.total_seconds():.1f} s without its lines")
    assert check(history) == []  # stop times, too: nobody is said to have been blind
    assert {(row.state, row.reason, row.attempt) for row in history.rows} == {
        ("ENDED", "duration", 1)}  # fmt: skip
    assert len(history.docker) == 2 * COUNT
    assert lost_after < LOST_WITHIN
