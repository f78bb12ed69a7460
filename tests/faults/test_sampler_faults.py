"""Ten of fifty machines hang in the middle of their sessions: the others are sampled as before."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.contract.test_sampler_real import Sampled, children_of, forced, script, target_to
from tests.faults.test_hung_docker import _own_jobs

__all__ = ["_own_jobs", "script"]
MACHINES, HUNG = 50, 10
LOGINS_WITHIN_S = 240.0  # all at once, on a machine that is client and servers in one
SWEEP_LIMIT_S = 10.0


def has_sampled(sampled: Sampled, since: dict[str, int]) -> set[str]:
    """Name the machines with a new sample that is no error."""
    return {name for name, samples in sampled.samples.items()
            if any(one.error is None for one in samples[since[name]:])}  # fmt: skip


def sweep(sampled: Sampled, count: int, within_s: float) -> float:
    """Ask all, again and again as the service does, until so many have answered; return seconds."""
    since, began = {name: len(found) for name, found in sampled.samples.items()}, time.monotonic()
    while len(has_sampled(sampled, since)) < count and time.monotonic() - began < within_s:
        for sampler in sampled.samplers.values():
            sampler.ask()
        with sampled.changed:
            sampled.changed.wait(0.1)
    found = len(has_sampled(sampled, since))
    assert found >= count, f"{found} of {count} within {within_s} s"
    return time.monotonic() - began


@contextmanager
def stopped(processes: list[int]) -> Iterator[None]:
    try:
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


@pytest.mark.timeout(500)
def test_ten_of_fifty_machines_that_hang_delay_nobody_and_are_sampled_again(script: Path) -> None:
    with forced(script, "MaxStartups 500", "LoginGraceTime 300", "MaxSessions 100") as server:
        sampled = Sampled([target_to(server, f"m{number}") for number in range(MACHINES)])
        try:
            cold_s = sweep(sampled, MACHINES, LOGINS_WITHIN_S)
            with stopped(children_of(server.process.pid)[:HUNG]):
                took = [sweep(sampled, MACHINES - HUNG, SWEEP_LIMIT_S) for _ in range(6)]
                hung = [name for name, samples in sampled.samples.items() if samples[-1].error]
                back_s = sweep(sampled, MACHINES, 90)  # a new session each
        finally:
            sampled.stop()
    print(f"logins {cold_s:.1f} s, sweeps of the good {max(took):.2f} s at most,"
          f" all again after {back_s:.1f} s, told as bad by then: {len(hung)}")  # fmt: skip
    assert max(took) < SWEEP_LIMIT_S
