"""The platform client as a whole, on memory doors."""

import os
from datetime import timedelta

import msgspec
import pytest

from common.bus import Partition, Record
from common.bus.receive import Received
from common.errors import Retryable
from common.messages import ContainerState, RunSpec, StartContainer, StopCause
from node_manager.client.domain.attempt import Key, Status
from node_manager.client.domain.container import Owner, Policy, Relaxation
from node_manager.client.log_store import KEPT_BYTES, LogStore
from tests.service.node_manager.client_bench import JOB, KEY, NOW, Bench


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_a_due_start_runs_and_is_told(bench):
    bench.start()
    bench.work()
    assert bench.engine.starts == [KEY.name]
    (report,) = bench.told()
    assert (report.state, report.node_id, report.started_at) == (ContainerState.RUNNING, "m1", NOW)


def test_an_early_start_happens_exactly_at_its_time(bench):
    bench.start(due=NOW + timedelta(seconds=3))
    bench.work()
    assert bench.engine.created == [KEY.name]
    assert bench.deadlines.next_at() == NOW + timedelta(seconds=3)
    bench.pass_time(2)
    assert bench.engine.starts == []
    bench.pass_time(1)
    assert bench.engine.starts == [KEY.name]


def test_deadline_is_enforced_and_told_though_kafka_is_away(bench):
    bench.start(stop_at=NOW + timedelta(seconds=5))
    bench.work()
    bench.bus.available = False
    bench.pass_time(5)
    assert bench.engine.signals == [(KEY.name, "SIGTERM", NOW + timedelta(seconds=5))]
    assert bench.engine.inspect(KEY.name).status is Status.EXITED
    assert bench.states() == ["RUNNING"]
    bench.bus.available = True
    bench.work()
    assert bench.states() == ["RUNNING", "EXITED"]
    assert bench.told()[-1].stop_cause is StopCause.DEADLINE


def test_what_ignores_the_signal_is_killed_after_its_grace(bench):
    bench.engine.deaf.add(KEY.name)
    bench.start(stop_at=NOW + timedelta(seconds=5), spec={"grace_s": 3})
    bench.work()
    bench.pass_time(8)
    assert [signal for _, signal, _ in bench.engine.signals] == ["SIGTERM", "SIGKILL"]
    assert bench.engine.signals[1][2] == NOW + timedelta(seconds=8)
    bench.pass_time(3)
    assert bench.told()[-1].exit_code == 137


def test_stop_before_start_wins(bench):
    bench.stop()
    bench.work()
    bench.start()
    bench.work()
    assert bench.engine.created == []
    assert bench.states() == ["GONE", "REFUSED"]


def test_stop_before_start_wins_over_a_crash(bench):
    bench.stop()
    bench.work()
    bench.restart()
    bench.start()
    bench.work()
    assert bench.engine.created == []


def test_a_command_taken_before_a_crash_is_carried_out_after_it(bench):
    bench.start()
    bench.restart()
    bench.work()
    assert bench.engine.starts == [KEY.name]


def test_running_containers_are_adopted_without_journal_from_their_labels(bench):
    bench.start(stop_at=NOW + timedelta(seconds=20), spec={"grace_s": 2})
    bench.work()
    bench.journal.close()
    (bench.folder / "journal").unlink()
    bench.restart()
    bench.pass_time(1)
    assert bench.states() == ["RUNNING", "RUNNING"]
    bench.pass_time(20)
    assert bench.told()[-1].stop_cause is StopCause.DEADLINE


def test_an_unsent_end_is_told_after_a_crash(bench):
    bench.start()
    bench.work()
    bench.bus.available = False
    bench.engine.end(KEY.name, 3)
    bench.pass_time(1)
    bench.restart()
    bench.bus.available = True
    bench.pass_time(1)
    assert bench.states().count("EXITED") == 1
    assert bench.told()[-1].exit_code == 3


def test_ended_container_is_removed_a_minute_later_and_its_log_kept(bench):
    bench.start()
    bench.work()
    bench.engine.write(KEY.name, b"warm\n")
    bench.engine.end(KEY.name, 0)
    bench.pass_time(59)
    assert bench.engine.inspect(KEY.name) is not None
    bench.pass_time(3)
    assert bench.engine.inspect(KEY.name) is None
    assert bench.logs.read(KEY, None) == b"warm\n"


def test_a_repeated_command_is_answered_again_not_done_again(bench):
    bench.start()
    bench.work()
    bench.start()
    bench.work()
    assert bench.states() == ["RUNNING", "RUNNING"]
    bench.engine.end(KEY.name, 0)
    bench.pass_time(90)
    bench.start()
    bench.work()
    assert bench.states()[-2:] == ["EXITED", "EXITED"]
    assert bench.engine.starts == [KEY.name]


def test_a_stale_epoch_is_refused_as_stale(bench):
    bench.start(epoch=5)
    bench.work()
    bench.start(epoch=4)
    bench.work()
    report = bench.told()[-1]
    assert (report.state, report.stop_cause, report.epoch) == (
        ContainerState.REFUSED, StopCause.STALE, 4)
    assert bench.engine.inspect(KEY.name).status is Status.RUNNING


def test_a_missing_image_is_pulled_or_refused(bench):
    bench.start(image="other")
    bench.work()
    assert bench.told()[-1].stop_cause is StopCause.PULL_FAILED
    bench.engine.pullable.add("other")
    bench.start(epoch=2, image="other")
    bench.work()
    assert bench.told()[-1].state is ContainerState.RUNNING


def test_an_image_that_the_policy_does_not_allow_is_neither_pulled_nor_run(bench):
    bench.policy = Policy(allowed=("app*", "registry.example/*@sha256:*"))
    bench.restart()
    bench.engine.pullable.add("evil")
    bench.start(image="evil", due=NOW + timedelta(minutes=1))
    bench.work()
    bench.pass_time(61)
    report = bench.told()[-1]
    assert (report.state, report.stop_cause) == (ContainerState.REFUSED, StopCause.CREATE_FAILED)
    assert report.detail == "the machine's policy does not allow the image evil"
    assert bench.engine.pulled == bench.engine.created == []
    assert bench.policy.refusal(RunSpec(image="registry.example/a@sha256:1")) is None


def test_a_secret_that_the_policy_keeps_from_an_image_starts_no_container(bench):
    bench.policy = Policy(default=Relaxation(secrets=()), images={
        "shop/*": Relaxation(secrets=("shop-*", "mail"))})
    bench.restart()
    bench.start(spec={"secrets": ("mail", "db")})
    bench.work()
    report = bench.told()[-1]
    assert (report.state, report.stop_cause) == (ContainerState.REFUSED, StopCause.CREATE_FAILED)
    assert report.detail == "the machine's policy keeps these secrets from app: mail, db"
    assert bench.engine.created == []
    of_shop = RunSpec(image="shop/till:1", secrets=("shop-db", "mail"))
    assert bench.policy.refusal(of_shop) is None
    assert "db" in bench.policy.refusal(msgspec.structs.replace(of_shop, secrets=("mail", "db")))
    assert bench.policy.refusal(RunSpec(image="app")) is None
    assert Policy().refusal(msgspec.structs.replace(of_shop, secrets=("any",))) is None


def test_what_docker_cannot_start_is_refused_and_removed(bench):
    bench.engine.refused.add("app")
    bench.start()
    bench.work()
    assert bench.told()[-1].stop_cause is StopCause.CREATE_FAILED
    assert bench.engine.inspect(KEY.name) is None


def test_what_a_slow_docker_may_start_yet_is_not_over_before_that_is_known(bench):
    bench.engine.slow.add(KEY.name)
    bench.start(stop_at=NOW + timedelta(seconds=5))
    bench.work()
    bench.pass_time(8)
    assert bench.states() == [], "nobody knows yet whether it runs"
    bench.engine.let_go(KEY.name)
    bench.pass_time(2)
    assert bench.engine.signals[0][1] == "SIGTERM"
    (report,) = bench.told()
    assert (report.state, report.stop_cause) == (ContainerState.EXITED, StopCause.DEADLINE)


def test_what_was_told_to_start_and_did_not_is_gone_before_it_is_told_as_missed(bench):
    bench.start(stop_at=NOW + timedelta(seconds=5))
    bench.engine.slow.add(KEY.name)
    bench.work()
    bench.pass_time(8)
    bench.engine.forget_start(KEY.name)  # Docker was restarted: it never came to it
    bench.pass_time(2)
    assert bench.engine.inspect(KEY.name) is None
    (report,) = bench.told()
    assert (report.state, report.stop_cause) == (ContainerState.REFUSED, StopCause.EXPIRED)


def test_a_run_that_a_reboot_ended_is_told_as_gone_with_its_machine(bench):
    bench.start()
    bench.work()
    bench.reboot("b2")
    bench.work()
    bench.restart()  # and a crash after it adds nothing
    bench.pass_time(70)
    assert bench.states() == ["RUNNING", "GONE"]
    assert bench.told()[-1].started_at == NOW
    assert bench.engine.starts == [KEY.name]
    assert bench.engine.inspect(KEY.name) is None


def test_what_runs_in_this_boot_and_is_killed_fails_by_itself(bench):
    bench.reboot("b2")
    bench.start()
    bench.work()
    bench.restart()
    bench.engine.end(KEY.name, 137)
    bench.pass_time(1)
    assert bench.states() == ["RUNNING", "EXITED"]


def test_restart_within_the_job_until_its_stop_time(bench):
    bench.start(spec={"restart": "always"}, stop_at=NOW + timedelta(seconds=10))
    bench.work()
    bench.engine.end(KEY.name, 1)
    bench.pass_time(1)
    assert bench.engine.starts == [KEY.name] * 2
    bench.pass_time(12)
    assert bench.states() == ["RUNNING", "EXITED"]
    assert bench.told()[-1].stop_cause is StopCause.DEADLINE


def test_docker_away_is_told_and_survived(bench):
    bench.start(stop_at=NOW + timedelta(seconds=30))
    bench.work()
    bench.agent.sweep()
    bench.engine.is_down = True
    with pytest.raises(Retryable):
        bench.agent.sweep()
    assert bench.agent.docker_error() == "Docker is down"
    assert [row.job_id for row in bench.agent.containers()] == [JOB]
    bench.pass_time(40)
    bench.engine.is_down = False
    bench.pass_time(2)
    assert bench.told()[-1].stop_cause is StopCause.DEADLINE


def test_heartbeat_rows_tell_running_and_kept_ended_ones(bench):
    bench.start()
    bench.work()
    assert [row.state for row in bench.agent.containers()] == [ContainerState.RUNNING]
    bench.engine.end(KEY.name, 4)
    bench.pass_time(1)
    (row,) = bench.agent.containers()
    assert (row.state, row.exit_code) == (ContainerState.EXITED, 4)
    bench.pass_time(70)
    assert bench.agent.containers() == ()


def test_other_nodes_commands_and_containers_are_left_alone(bench):
    bench.start(node_id="m2")
    bench.work()
    assert bench.engine.created == []
    bench.engine._owner = Owner("test", "m2")
    bench.start()
    bench.work()
    assert bench.told()[-1].state is ContainerState.RUNNING or bench.engine.created
    bench.engine._owner = Owner("test", "m1")


def test_a_stop_is_carried_out_though_the_disk_is_full(bench, monkeypatch):
    bench.start(stop_at=NOW + timedelta(seconds=2))
    bench.work()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("node_manager.client.journal.os.fdatasync", full)
    bench.pass_time(2)
    assert [signal for _, signal, _ in bench.engine.signals] == ["SIGTERM"]


def test_logs_are_capped_and_pruned_oldest_first(tmp_path):
    store = LogStore(tmp_path)
    store.save(KEY, [b"x" * KEPT_BYTES, b"end\n"])
    content = store.read(KEY, None)
    assert content is not None
    assert len(content) == KEPT_BYTES
    assert content.endswith(b"end\n")
    assert store.read(KEY, 1) == content
    other = Key("hall-cooling.20261123T080000Z.0", 1)
    store.save(other, [b"newer\n"])
    os.utime(tmp_path / f"{KEY.job_id}-1.log", (1, 1))
    store.prune(KEPT_BYTES + 100)
    assert store.read(KEY, None) is not None
    store.prune(KEPT_BYTES)
    assert store.read(KEY, None) is None
    assert store.read(other, None) == b"newer\n"


def test_a_start_sent_before_the_machine_was_wiped_is_not_made_again(bench):
    """It may have happened in the life before; who still wants it sends it again."""
    def sent(seconds):
        at_ms = int((NOW + timedelta(seconds=seconds)).timestamp() * 1000)
        return Record(Partition("node.m1.commands", 0), 0, JOB, b"", at_ms)

    start = StartContainer(
        node_id="m1", job_id=JOB, attempt=1, epoch=1, instance_id="hall-heating", due=NOW, ordinal=0,
        not_before=NOW, expires_at=NOW + timedelta(minutes=5), spec=RunSpec(image="app"))
    bench.agent.handle([Received(start, sent(-5))])
    bench.restart()
    bench.agent.handle([Received(start, sent(-5))])
    bench.work()
    assert (bench.engine.created, bench.told()) == ([], [])
    bench.agent.handle([Received(start, sent(15))])
    bench.work()
    assert bench.states() == ["RUNNING"]


def content(letter):
    return "sha256:" + letter * 64


def test_another_content_under_the_registered_name_is_refused_with_the_reason(bench):
    bench.engine.contents["app"] = content("b")
    bench.start(image=f"app@{content('a')}")
    bench.work()
    (report,) = bench.told()
    assert (report.state, report.stop_cause) == (ContainerState.REFUSED, StopCause.PULL_FAILED)
    assert bench.engine.created == []


def test_the_registered_content_runs_and_is_fetched_where_it_is_missing(bench):
    bench.engine.contents["other"] = content("a")
    bench.engine.pullable.add("other")
    bench.start(image=f"other@{content('a')}")
    bench.work()
    assert bench.engine.pulled == [f"other@{content('a')}"]
    assert bench.states() == ["RUNNING"]


def test_a_policy_may_let_a_name_stand_for_whatever_has_it(tmp_path):
    bench = Bench(tmp_path)
    bench.policy = Policy(images={"app": Relaxation(pin="tag")})
    bench.restart()
    bench.start(image=f"app@{content('a')}")
    bench.work()
    assert bench.states() == ["RUNNING"]
