"""Replicas of the scheduler as processes, on real MySQL and Kafka, killed, frozen and cut off.

What is promised in every case: each due time one row, each row's start once (a repeated publication
has the same id), nothing early, nothing lost.
"""

from __future__ import annotations

import signal
from collections import Counter
from datetime import timedelta

import pytest

from common.messages import APP_INSTANCES, JOB_EVENTS, StartJob
from tests.support import servers
from tests.support.scheduler_process import Platform, eventually, now

EACH_SECOND = "  - {{id: {name}, overlap: allow, schedule: {{start: {start!r}, interval: 1s}}}}\n"
FAILPOINTS = [
    "scheduler.after_lease", "scheduler.before_fence", "scheduler.before_commit",
    "scheduler.after_commit", "scheduler.after_publish", "scheduler.after_kill",
]  # fmt: skip


def each_second(*names: str) -> str:
    return "".join(EACH_SECOND.format(name=name, start="{start}") for name in names)


def assert_in_order(platform: Platform, names: set[str], seconds: int) -> None:
    """Hold what happened against what was asked for."""
    eventually(lambda: not unpublished(platform))
    rows = platform.jobs()
    for name in names:
        dues = sorted(row["due"] for row in rows if row["instance_id"] == name)
        assert len(dues) >= seconds
        stretch = [first + timedelta(seconds=1) for first in dues[:-1]]
        covered = {row["due"]: row["until"] for row in rows if row["instance_id"] == name}
        for before, expected, due in zip(dues, stretch, dues[1:], strict=False):
            until = covered[before]
            assert due == (expected if until is None else until + timedelta(seconds=1))
    ids: dict[str, set[str]] = {}
    for message, at in platform.commands():
        if getattr(message, "due", None) is not None:
            assert at >= message.due
            ids.setdefault(message.job_id, set()).add(message.id)
    assert all(len(of_job) == 1 for of_job in ids.values())


def unpublished(platform: Platform) -> set[str]:
    """Return the jobs that were due three seconds ago and whose start nobody can read.

    One whose stop time came first is killed, never started.
    """
    before = now() - timedelta(seconds=3)
    rows = [r for r in platform.jobs() if r["state"] == "QUEUED" and r["due"] < before
            and r["desired_stop"] is None]
    return {row["job_id"] for row in rows} - {start.job_id for start in platform.starts()}


def test_starts_are_on_their_topic_right_after_they_are_due(platform: Platform) -> None:
    platform.replica("one").start()
    eventually(lambda: platform.replica_holds("one", 16))
    platform.apply(each_second("a", "b"))
    eventually(lambda: len(platform.starts()) >= 12)
    late = sorted(at - m.due for m, at in platform.commands() if isinstance(m, StartJob))
    assert late[0] >= timedelta(0)
    assert late[len(late) // 2] < timedelta(seconds=5)  # the machine may be busy
    assert_in_order(platform, {"a", "b"}, 4)


def test_a_job_is_killed_at_its_stop_time_and_the_ledger_says_so(platform: Platform) -> None:
    platform.replica("one").start()
    eventually(lambda: platform.replica_holds("one", 16))
    begin = platform.apply("  - {id: a, schedule: {start: '{start}', duration: 2s}}\n")
    (start,) = eventually(platform.starts)
    platform.report(start.job_id, "RUNNING", 1, started_at=now())
    (kill,) = eventually(platform.kills)
    (at,) = [at for message, at in platform.commands() if message is kill]
    assert timedelta(0) <= at - begin - timedelta(seconds=2) < timedelta(seconds=1)
    platform.report(start.job_id, "ENDED", 2, reason="duration")
    eventually(lambda: [row["state"] for row in platform.jobs()] == ["ENDED"])


@pytest.mark.parametrize("name", FAILPOINTS)
def test_killed_at_any_step_and_started_again_nothing_is_lost_or_double(
    platform: Platform, name: str
) -> None:
    short = "  - {id: d, overlap: allow, schedule: {start: '{start}', interval: 1s, duration: 1s}}\n"
    platform.apply(each_second("a", "b", "c") + short, is_told=False)
    process = platform.replica("one").start(f"{name}:crash@3")
    assert process.wait() == -signal.SIGKILL
    process.start()
    count = len(platform.jobs())
    eventually(lambda: len(platform.jobs()) >= count + 16)
    assert_in_order(platform, {"a", "b", "c"}, 4)


@pytest.mark.parametrize("name", ["scheduler.before_event_commit", "scheduler.after_event_commit"])
def test_killed_while_it_hears_of_an_end_it_hears_of_it_again(
    platform: Platform, name: str
) -> None:
    platform.apply("  - {id: a, schedule: {start: '{start}'}}\n  - {id: b, depends_on: [a]}\n")
    process = platform.replica("one").start(f"{name}:crash")
    (start,) = eventually(platform.starts)
    platform.report(start.job_id, "SUCCEEDED", 1)
    assert process.wait() == -signal.SIGKILL
    process.start()
    eventually(lambda: [s.instance_id for s in platform.starts()][-1:] == ["b"])
    assert [row["state"] for row in platform.jobs()] == ["SUCCEEDED", "QUEUED"]


def test_topics_read_again_from_the_beginning_start_nothing_again(platform: Platform) -> None:
    """Offsets are lost, as where a topic was made anew: every id and every end comes once more."""
    platform.apply("  - {id: a, schedule: {start: '{start}'}}\n  - {id: b, depends_on: [a]}\n")
    process = platform.replica("one").start()
    (start,) = eventually(platform.starts)
    platform.report(start.job_id, "RUNNING", 1, started_at=now())
    platform.report(start.job_id, "SUCCEEDED", 2)
    eventually(lambda: [row["state"] for row in platform.jobs()] == ["SUCCEEDED", "QUEUED"])
    process.send(signal.SIGTERM)
    assert process.wait() == 0
    for topic in (APP_INSTANCES, JOB_EVENTS):
        partitions = platform.bus.partitions_of(topic)
        consumer = platform.bus.consumer("scheduler")
        consumer.assign(partitions)
        consumer.commit(dict.fromkeys(partitions, 0))
        consumer.close()
    events = {row["job_id"]: row["updated_at"] for row in platform.jobs()}
    process.start()
    later = "  - {id: c, schedule: {start: '{start}'}}\n"
    platform.apply(later)
    eventually(lambda: [s.instance_id for s in platform.starts()][-1:] == ["c"])
    assert len({s.id for s in platform.starts()}) == 3
    assert events.items() <= {r["job_id"]: r["updated_at"] for r in platform.jobs()}.items()


def test_replicas_share_and_take_over_what_a_killed_one_held(platform: Platform) -> None:
    one, two = platform.replica("one").start(), platform.replica("two").start()
    eventually(lambda: platform.replica_holds("one", 8) and platform.replica_holds("two", 8))
    names = [f"i{n}" for n in range(12)]
    platform.apply(each_second(*names))
    eventually(lambda: len(platform.starts()) >= 24)
    two.kill()
    killed_at = now()
    eventually(lambda: platform.replica_holds("one", 16), 12)
    eventually(lambda: now() - killed_at > timedelta(seconds=5), 12)
    assert one.is_alive()
    assert_in_order(platform, set(names), 4)
    one.send(signal.SIGTERM)
    assert one.wait() == 0


def test_the_write_of_a_replica_that_lost_its_lease_is_refused(platform: Platform) -> None:
    """It freezes between what it writes and the proof that it may, for longer than its lease."""
    platform.apply(each_second("a", "b"), is_told=False)
    one = platform.replica("one").start("scheduler.before_fence:freeze@3")
    eventually(lambda: platform.replica_holds("one", 16))
    platform.replica("two").start()
    eventually(lambda: platform.replica_holds("two", 16), 40)
    one.send(signal.SIGCONT)
    eventually(lambda: one.metric("rota_stale_writes_refused_total") >= 1)
    eventually(lambda: platform.replica_holds("one", 8) and platform.replica_holds("two", 8))
    count = len(platform.jobs())
    eventually(lambda: len(platform.jobs()) >= count + 8)
    assert_in_order(platform, {"a", "b"}, 4)


def test_a_replica_that_stays_frozen_keeps_nobody_from_going_on(platform: Platform) -> None:
    """MySQL ends its transaction after ten seconds, and with it the locks on what it was firing."""
    platform.apply(each_second("a", "b", "c", "d"), is_told=False)
    one = platform.replica("one").start("scheduler.before_fence:freeze@3")
    eventually(lambda: platform.replica_holds("one", 16))
    two = platform.replica("two").start()
    eventually(lambda: platform.replica_holds("two", 16), 40)
    count = len(platform.jobs())
    eventually(lambda: len(platform.jobs()) >= count + 8)
    one.send(signal.SIGCONT)
    eventually(lambda: platform.replica_holds("one", 8) and platform.replica_holds("two", 8))
    assert two.is_alive()
    assert_in_order(platform, {"a", "b", "c", "d"}, 4)


def test_without_mysql_nothing_crashes_and_what_was_missed_is_told(
    platform: Platform, mysql_server: servers.SqlServer
) -> None:
    one = platform.replica("one").start()
    platform.apply(each_second("a", "b"))
    eventually(lambda: len(platform.starts()) >= 6)
    mysql_server.kill()
    began = now()
    eventually(lambda: now() - began > timedelta(seconds=25), 40)
    mysql_server.start()
    back = now()
    eventually(lambda: [r for r in platform.jobs() if r["state"] == "MISSED"], 30)
    eventually(lambda: [r for r in platform.jobs() if r["due"] > back + timedelta(seconds=1)], 30)
    assert one.is_alive()
    assert_in_order(platform, {"a", "b"}, 4)


def test_without_kafka_the_ledger_goes_on_and_is_drained_later(
    platform: Platform, kafka_server: servers.KafkaServer
) -> None:
    one = platform.replica("one").start()
    platform.apply(each_second("a", "b"))
    eventually(lambda: len(platform.starts()) >= 6)
    kafka_server.stop()
    began, count = now(), len(platform.jobs())
    eventually(lambda: len(platform.jobs()) >= count + 16, 30)
    assert now() - began < timedelta(seconds=20), "the ledger waited for Kafka"
    kafka_server.start()
    wanted = {row["job_id"] for row in platform.jobs()}
    eventually(lambda: wanted <= {start.job_id for start in platform.starts()}, 60)
    assert one.is_alive()
    assert Counter(s.id for s in platform.starts()).keys() >= {f"{job}/1" for job in wanted}
