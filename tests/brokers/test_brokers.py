"""Three brokers on machines of their own: one dies, one machine leaves, and nothing is lost.

The tests go on from each other in the order of the file.
"""

import socket
import ssl
import time

import pytest

from tests.brokers.platforms import operator_of, write_file
from tests.brokers.records import described, sending
from tests.checker.check import check
from tests.day2.accounts import Steady
from tests.e2e.court import following
from tests.e2e.platform import now, wait_for

pytestmark = pytest.mark.timeout(900)
MACHINES = ("m1", "m2", "m3", "m4")
THREE = "services: {kafka: {replicas: 3}}"
GOES_ON_WITHIN_S = 15.0
"""A dead broker is noticed after 6 s, and a client gives a record up after 8."""


class Unhurried(Steady):
    """Jobs that outlast a late start: while a broker is taken for dead, a start waits for seconds."""

    every_s = 12
    lasts_s = 40


@pytest.fixture(scope="module")
def operator(tmp_path_factory):
    with operator_of("brokers", MACHINES, tmp_path_factory.mktemp("brokers")) as one:
        write_file(one, MACHINES, THREE)
        yield one


def seats(operator):
    """Return each broker's seat by its machine, as the containers have it."""
    homes = sorted(machine for machine, service in operator.services() if service == "kafka")
    script = "docker inspect -f '{{join .Config.Env \"\\n\"}}' rota-kafka | sed -n 's/^ROTA_KAFKA_NODE_ID=//p'"
    return {home: int(operator.on_machine(home, "sh", "-c", script)) for home in homes}


def wait_in_sync(operator):
    bus = operator.admin_bus()
    try:
        wait_for("all replicas in sync", lambda: bus.out_of_sync() == [], 60)
    finally:
        bus.close()


def test_up_brings_three_brokers_and_a_second_plan_is_empty(operator):
    operator.ops("up", timeout=600)
    operator.assert_well()
    assert sorted(seats(operator).values()) == [1, 2, 3]
    assert "nothing to change" in operator.ops("up")


def test_topics_have_three_replicas_and_brokers_speak_by_tls_alone(operator):
    bus = operator.admin_bus()
    try:
        replicas = {name: {len(one["replica_nodes"]) for one in partitions}
                    for name, partitions in described(bus).items()}
    finally:
        bus.close()
    assert replicas["job.commands"] == {3}
    assert set.union(*replicas.values()) == {3}
    for home in seats(operator):
        settings = operator.on_machine(home, "docker", "exec", "rota-kafka", "cat",
                                       "/etc/kafka/server.properties")
        assert "CONTROLLER:SASL_SSL" in settings
        assert "min.insync.replicas=2" in settings
        assert "BEGIN CERTIFICATE" in ssl.get_server_certificate((operator.address(home), 9093))


def test_a_dead_broker_stops_records_for_seconds_and_loses_no_job(operator, tmp_path):
    by_seat = {seat: home for home, seat in seats(operator).items()}
    with following(operator, tmp_path, MACHINES) as court, sending(operator) as records:
        steady = Unhurried(operator, "one-broker-dies", 6)
        steady.wait_until_running()
        records.wait_for_more(20, 30)
        home, killed_at = by_seat[records.leader()], now().timestamp()
        operator.on_machine(home, "docker", "kill", "-s", "KILL", "rota-kafka")
        records.wait_for_more(20, 60)
        gap_s = records.longest_gap_s(killed_at)
        print(f"\nno record was taken for {gap_s:.1f} s after the leader was killed")
        steady.wait_until_ended()
        records.stop()
        assert gap_s <= GOES_ON_WITHIN_S
        assert records.lost() == set()
        assert check(steady.history(court)) == []
    others = sorted(set(by_seat.values()) - {home})
    said = operator.ops("machine", "remove", others[0], "--yes", code=7)
    assert f"that of {home} does not run" in said
    assert "kafka is exited" in operator.ops("doctor", code=1)
    operator.ops("up")
    wait_in_sync(operator)
    operator.assert_well()


def test_a_brokers_machine_leaves_and_another_takes_its_seat(operator, tmp_path):
    before = seats(operator)
    (spare,) = set(MACHINES) - set(before)
    mysql, _ = operator.service_home("mysql")
    leaver = next(home for home in before if home != mysql)
    with following(operator, tmp_path, MACHINES) as court, sending(operator) as records:
        steady = Unhurried(operator, "a-broker-moves", 12)
        steady.wait_until_running()
        began = time.monotonic()
        operator.ops("machine", "remove", leaver, "--yes", timeout=600)
        print(f"\nthe machine was out after {time.monotonic() - began:.0f} s")
        records.wait_for_more(20, 60)
        records.stop()
        assert records.lost() == set()
        steady.wait_until_ended()
        assert check(steady.history(court)) == []
    after = seats(operator)
    assert after == {**{k: v for k, v in before.items() if k != leaver}, spare: before[leaver]}
    wait_in_sync(operator)
    operator.assert_well()
    remaining = sorted(after)
    said = operator.ops("machine", "remove", remaining[0], "--yes", code=7)
    assert "no other machine can take its place" in said or "data of" in said


def test_a_new_authority_while_jobs_are_due_and_run(operator, tmp_path):
    ca_file = operator.folder / "ca.pem"
    before = ca_file.read_text()
    homes = sorted(seats(operator))
    with following(operator, tmp_path, operator.machines()) as court:
        steady = Unhurried(operator, "new-authority", 15)
        steady.wait_until_running()
        began = time.monotonic()
        said = operator.ops("certs", "renew", "--authority", "--yes", timeout=900)
        print(f"\nthe new authority was in force after {time.monotonic() - began:.0f} s")
        steady.wait_until_ended()
        assert check(steady.history(court)) == []
    assert "done; browsers" in said
    after = ca_file.read_text()
    assert after.count("BEGIN CERTIFICATE") == 1
    assert after != before
    for home in homes:
        assert served_by(operator.address(home), 9092, after)
        assert not served_by(operator.address(home), 9092, before)
        assert served_by(operator.address(home), 9093, after)
    operator.assert_well()
    operator.ops("doctor")


def served_by(address, port, authority):
    """Tell whether an authority vouches for the server there."""
    context = ssl.create_default_context(cadata=authority)
    try:
        with (socket.create_connection((address, port), 5) as raw,
              context.wrap_socket(raw, server_hostname=address)):
            return True
    except ssl.SSLCertVerificationError:
        return False


def test_the_number_of_brokers_does_not_change_in_place(operator):
    operator.file.write_text(operator.file.read_text().replace(THREE, THREE.replace("3", "1")))
    said = operator.ops("plan", code=7)
    assert "3 began, the file wants 1" in said
    assert "backup" in said
    operator.file.write_text(operator.file.read_text().replace(THREE.replace("3", "1"), THREE))
    assert "nothing to change" in operator.ops("plan", "--detailed-exitcode")
