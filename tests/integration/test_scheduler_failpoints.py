"""Every failpoint of the scheduler, frozen or failing, on real MySQL and Kafka.

All at once, one replica each, so that it costs little: whoever holds a shard suffers at its own step.
That each is also killed at its step, and comes back, is in `test_scheduler_process`.
"""

from __future__ import annotations

import signal

from tests.integration.test_scheduler_process import assert_in_order, each_second, unpublished
from tests.simulation.failpoints import all_failpoints
from tests.support.scheduler_process import Platform, Process, eventually

FAILPOINTS = [name for name in all_failpoints() if name.startswith("scheduler.")]
NAMES = [f"i{number}" for number in range(32)]
STOPPED = "  - {{id: {name}, overlap: allow, schedule: {{start: {start!r}, interval: 2s, duration: 1s}}}}\n"
ENDED = "  - {{id: {name}, overlap: allow, schedule: {{start: {start!r}, interval: 2s}}}}\n"


def begin(platform: Platform, act: str) -> list[Process]:
    """Start a replica for each failpoint."""
    platform.apply(
        each_second(*NAMES)
        + "".join(STOPPED.format(name=f"stop-{name}", start="{start}") for name in NAMES)
        + "".join(ENDED.format(name=f"end-{name}", start="{start}") for name in NAMES),
        is_told=False,
    )
    return [
        platform.replica(name.removeprefix("scheduler.")).start(f"{name}:{act}@2")
        for name in FAILPOINTS
    ]


def report_ends(platform: Platform, told: set[str]) -> None:
    """Let what was started have ended, so that every replica hears of an end, and again."""
    for start in platform.starts():
        if start.instance_id.startswith("end-") and start.job_id not in told:
            told.add(start.job_id)
            platform.report(start.job_id, "SUCCEEDED", 1)


def all_frozen(platform: Platform, processes: list[Process], told: set[str]) -> bool:
    report_ends(platform, told)
    return all(process.is_stopped() for process in processes)


def assert_all_is_well(platform: Platform, told: set[str]) -> None:
    count = len(platform.jobs())
    eventually(lambda: len(platform.jobs()) >= count + 4 * len(NAMES), 40)
    # one whose time was over before its start was sent is not started any more
    eventually(lambda: all(job.startswith("stop-") for job in unpublished(platform)), 40)
    assert_in_order(platform, set(NAMES), 4)
    report_ends(platform, told)
    rows = {row["job_id"]: row["state"] for row in platform.jobs()}
    assert {rows[job_id] for job_id in told} <= {"SUCCEEDED", "QUEUED"}


def test_nothing_is_lost_or_double_where_replicas_freeze_at_every_step(platform: Platform) -> None:
    told: set[str] = set()
    platform.replica("healthy").start()
    processes = begin(platform, "freeze")
    eventually(lambda: all_frozen(platform, processes, told), 60)
    eventually(lambda: platform.replica_holds("healthy", 16), 40)
    for process in processes:
        process.send(signal.SIGCONT)
    assert_all_is_well(platform, told)
    assert all(process.is_alive() for process in processes)


def not_failed(platform: Platform, processes: list[Process], told: set[str]) -> list[str]:
    report_ends(platform, told)
    return [one.replica for one in processes if "a test lets scheduler." not in one.log()]


def test_nothing_is_lost_or_double_where_every_step_fails_once(platform: Platform) -> None:
    """Nobody else may be there: the shards are shared evenly, and the ninth of nine gets none."""
    told: set[str] = set()
    processes = begin(platform, "error")
    eventually(lambda: not not_failed(platform, processes, told), 60)
    assert_all_is_well(platform, told)
    assert all(process.is_alive() for process in processes)
