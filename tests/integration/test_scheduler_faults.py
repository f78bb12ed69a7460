"""Poison on its topics, a stepped clock, all of them dead: the scheduler as a process on real MySQL and Kafka."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

from common.bus import Record
from common.messages import (
    APP_INSTANCES,
    JOB_EVENTS,
    SERVICE_HEARTBEATS,
    DeploymentChanged,
    DeploymentState,
    InstanceChanged,
    ServiceHeartbeat,
    dead_letter_of,
    encode,
)
from common.messages.envelope import Message
from tests.integration.test_scheduler_process import assert_in_order, each_second
from tests.support.scheduler_process import Platform, eventually, now

POISON = (
    b"{no JSON", b"\xff\xfe", b"x" * 900_000,
    b'{"type": "InstanceChanged", "version": 999, "instance_id": "a"}', b"[]", b"",
)  # fmt: skip
TRAFFIC = 1000
"""So many messages to each topic, as fast as they go."""

NOT_BEHIND_S = 3.0


def dead(platform: Platform, topic: str) -> list[Record]:
    letter = dead_letter_of(topic)
    consumer = platform.bus.consumer(None)
    consumer.assign(platform.bus.partitions_of(letter))
    found: list[Record] = []
    while records := consumer.poll(0.3, 500):
        found += records
    consumer.close()
    return [one for one in found if (one.key or "").startswith("poison")]


def test_one_percent_of_poison_is_all_told_and_delays_nobody(platform: Platform) -> None:
    """Dead letters within 5 s; others are 0.4 s behind, and 1 s where the machine has much to do."""
    platform.replica("one").start()
    eventually(lambda: platform.replica_holds("one", 16))
    platform.apply(each_second("a", "b"))
    job_id = eventually(platform.jobs)[0]["job_id"]
    poisoned = send_traffic(platform, job_id)
    sent = now()
    platform.report(job_id, DeploymentState.RUNNING, 2)
    eventually(lambda: platform.jobs()[0]["state"] == "RUNNING", NOT_BEHIND_S)
    platform.apply(each_second("later"))
    eventually(lambda: platform.has_schedule("later"), NOT_BEHIND_S)
    for topic, count in poisoned.items():
        eventually(lambda topic=topic, count=count: len(dead(platform, topic)) == count, 10)
        letters = [json.loads(one.value) for one in dead(platform, topic)]
        assert all(one["topic"] == topic and one["error"] for one in letters)
        last = max(one.timestamp_ms for one in dead(platform, topic)) / 1000
        assert last - sent.timestamp() < 5
    eventually(lambda: len(platform.starts()) >= 8)
    assert_in_order(platform, {"a", "b"}, 4)


def send_traffic(platform: Platform, job_id: str) -> dict[str, int]:
    """Send as much to each topic that the scheduler reads; return the number of bad ones on each."""
    news = {"attempt": 1, "revision": 1, "state": DeploymentState.PENDING}
    beat = ServiceHeartbeat(
        time=now(), service="scheduler", replica="other", host="other", build="1", started_at=now(),
        health={}, figures={},
    )  # fmt: skip
    known: dict[str, tuple[Message, ...]] = {
        APP_INSTANCES: (InstanceChanged(instance_id="a"), InstanceChanged(instance_id="nobody")),
        JOB_EVENTS: (DeploymentChanged(job_id=job_id, **news),
                     DeploymentChanged(job_id="x.20260302T120000Z.0", **news)),
        SERVICE_HEARTBEATS: (beat,),
    }  # fmt: skip
    sent = []
    for number in range(TRAFFIC):
        for topic, (good, *unknown) in known.items():
            bad = [*POISON, *map(encode, unknown)]
            is_bad = number % 100 == 50
            value = bad[number // 100 % len(bad)] if is_bad else encode(good)
            key = f"{'poison' if is_bad else 'good'}-{number}"
            sent.append(platform.producer.send(topic, key, value))
    for one in sent:
        one.wait(10)
    return dict.fromkeys(known, TRAFFIC // 100)


def test_a_stepped_wall_clock_starts_nothing_early_late_or_twice(
    platform: Platform, tmp_path: Path
) -> None:
    clock = tmp_path / "wrong_by_s"
    clock.write_text("0")
    one = platform.replica("one")
    one.module = "tests.support.stepped_clock"
    one.start(ROTA_TEST_CLOCK_FILE=str(clock))
    eventually(lambda: platform.replica_holds("one", 16))
    platform.apply(each_second("a", "b"))
    eventually(lambda: len(platform.starts()) >= 4)
    for steps, wrong_by_s in enumerate((3600, -3600), 1):
        clock.write_text(str(wrong_by_s))
        stepped, count = now(), len(platform.jobs())
        eventually(lambda steps=steps: one.log().count("wall_clock_jumped") >= steps, 10)
        eventually(lambda count=count: len(platform.jobs()) >= count + 6)
        assert now() - stepped < timedelta(seconds=12)
    assert_in_order(platform, {"a", "b"}, 8)
    assert all(row["state"] == "QUEUED" for row in platform.jobs())
    assert max(row["due"] for row in platform.jobs()) < now() + timedelta(seconds=1)


def test_all_replicas_killed_at_once_come_back_and_miss_no_edit(platform: Platform) -> None:
    replicas = [platform.replica("one").start(), platform.replica("two").start()]
    eventually(lambda: platform.replica_holds("one", 8) and platform.replica_holds("two", 8))
    names = {f"i{number}" for number in range(8)}
    platform.apply(each_second(*sorted(names)))
    eventually(lambda: len(platform.starts()) >= 16)
    for replica in replicas:
        replica.kill()
    platform.apply(each_second("later"), is_told=False)
    back = now()
    for replica in replicas:
        replica.start()
    eventually(lambda: [s for s in platform.starts() if s.instance_id == "later"], 30)
    eventually(lambda: [r for r in platform.jobs() if r["due"] > back + timedelta(seconds=5)], 30)
    assert_in_order(platform, names, 4)
