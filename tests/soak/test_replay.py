"""Every group's offsets are set back to the beginning: all is read again, nothing runs again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from common.messages import fixed_topics, node_commands
from tests.checker.check import check
from tests.checker.history import Due
from tests.e2e.court import following
from tests.e2e.platform import MACHINES, Platform, wait_for
from tests.e2e.schedules import once, soon
from tests.e2e.test_faults_e2e import all_ended, wait_until

GROUPS = {"scheduler": "scheduler", "deployment_manager": "deployment_manager",
          "node_manager": "node-manager"}  # fmt: skip
COUNT = 4


@contextmanager
def stopped(platform: Platform) -> Iterator[None]:
    """Stop all that commits offsets: Kafka takes none from outside while a group is alive."""
    homes = [platform.service_home(service) for service in GROUPS]
    homes += [(one, name) for one in MACHINES if (name := platform.service_on("client", one))]
    assert len(homes) == len(GROUPS) + len(MACHINES)
    for machine, container in homes:
        platform.on_machine(machine, "docker", "stop", container)
    try:
        yield
    finally:
        for machine, container in homes:
            platform.on_machine(machine, "docker", "start", container)


def begin_again(platform: Platform) -> int:
    """Set all groups to the first record of all topics; return how many records that is."""
    groups = {group: [spec.name for spec in fixed_topics()] for group in GROUPS.values()}
    groups |= {f"client-{machine}": [node_commands(machine)] for machine in MACHINES}
    bus, count = platform.admin_bus(), 0
    try:
        for group, topics in groups.items():
            consumer = bus.consumer(group)
            partitions = [one for topic in topics for one in bus.partitions_of(topic)]
            consumer.assign(partitions)
            assert any(consumer.position(one) for one in partitions), f"{group} never read anything"
            count += sum(consumer.end_offsets(partitions).values())
            consumer.commit(dict.fromkeys(partitions, 0))
            consumer.close()
    finally:
        bus.close()
    return count


def test_a_replay_of_all_topics_starts_nothing_again(platform: Platform, tmp_path: Path) -> None:
    done, start = "before-replay", soon(4)
    with following(platform, tmp_path) as court:
        platform.apply(once(done, start, ["run", "1"], instances=COUNT))
        wait_until(start)
        later, again = soon(90), "after-replay"
        platform.apply(once(again, later, ["run", "1"], instances=COUNT))
        wait_for("the first to end", lambda: all_ended(platform, done, COUNT), 180)
        with stopped(platform):
            records = begin_again(platform)
        wait_for("the others to end", lambda: all_ended(platform, again, COUNT), 180)
        wait_until(later + timedelta(seconds=20))
        dues = [Due(name, due, ordinal) for name, due in ((done, start), (again, later))
                for ordinal in range(COUNT)]  # fmt: skip
        history = court.history(dues)
    print(f"{records} records read again")
    assert records > 2 * COUNT
    assert check(history) == []
    assert {row.state for row in history.rows} == {"SUCCEEDED"}
    assert len(history.docker) == 2 * COUNT, "one container for each job, before and after"
