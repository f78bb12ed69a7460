"""Kafka as the initializer sets it up: TLS by an own authority, and each service only its own."""

import subprocess
import sys
import time
from secrets import token_hex

import pytest

from common.bus import BusUnavailableError, Deed, Resource
from common.bus.kafka import KafkaBus
from common.config import KafkaConfig
from common.secret import Secret
from platform_initializer.access import access_rules
from platform_initializer.render import write_secrets
from tests.support import servers

pytestmark = pytest.mark.patient

NODE = "here"
TOPICS = ("app.instances", "job.commands", "nodes", "node.here.commands", "node.loads")
USERS = ("rota_app", "rota_scheduler", "rota_deployer", "rota_balancer", "rota_nodes",
         "rota_client")  # fmt: skip


class Secured:
    """One broker with TLS and permissions; `bus` reaches it as one user."""

    def __init__(self, folder, port):
        self.folder, self.port = folder, port
        self.buses = []

    def bus(self, user, ca="ca.pem"):
        password = (self.folder / f"kafka_{user}.txt").read_text()
        ca_file = str(self.folder / ca) if ca else None
        config = KafkaConfig((f"127.0.0.1:{self.port}",), user, Secret(password), ca_file)
        self.buses.append(KafkaBus(config, "test"))
        return self.buses[-1]

    def set_up(self):
        """Run what `up` runs beside the broker."""
        return subprocess.run(
            [sys.executable, "-m", "platform_initializer.topics", NODE], check=False, text=True,
            cwd=servers.REPOSITORY, capture_output=True, timeout=60,
            env={"ROTA_KAFKA_BOOTSTRAP": f"127.0.0.1:{self.port}", "ROTA_KAFKA_USER": "rota_admin",
                 "ROTA_KAFKA_PASSWORD_FILE": str(self.folder / "kafka_rota_admin.txt"),
                 "ROTA_KAFKA_CA_FILE": str(self.folder / "ca.pem"),
                 "ROTA_KAFKA_USERS_FILE": str(self.folder / "kafka_users.txt")},
        )


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secured") / "secrets"
    servers.ensure_image("kafka")
    write_secrets(folder)
    ports = [servers.free_port() for _ in range(3)]
    name = f"rota-test-secured-{token_hex(3)}"
    mounts = {"kafka_users": "users", "tls_kafka": "tls.pem", "ca_cert": "ca.pem"}
    settings = {"BIND": "127.0.0.1", "LISTEN": ports[0], "CONTROLLER_PORT": ports[1],
                "HEALTH_PORT": ports[2], "ADVERTISED": f"127.0.0.1:{ports[0]}",
                "USERS_FILE": "/run/secrets/users", "TLS_FILE": "/run/secrets/tls.pem",
                "CA_FILE": "/run/secrets/ca.pem"}
    argv = ["docker", "run", "-d", "--name", name, "--network", "host"]
    for source, target in mounts.items():
        argv += ["-v", f"{folder / source}.txt:/run/secrets/{target}:ro"]
    for key, value in settings.items():
        argv += ["-e", f"ROTA_KAFKA_{key}={value}"]
    try:
        subprocess.run([*argv, "rota/kafka:dev"], check=True, capture_output=True)
        wait_for_health(name)
        one = Secured(folder, ports[0])
        done = one.set_up()
        assert done.returncode == 0, done.stderr
        yield one
        for bus in one.buses:
            bus.close()
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", name], check=False, capture_output=True)


def wait_for_health(name):
    deadline = time.monotonic() + 60
    check = ["docker", "exec", name, "/bin/bash", "/opt/kafka/healthcheck.sh"]
    while subprocess.run(check, check=False, capture_output=True).returncode != 0:
        assert time.monotonic() < deadline, "the broker is not healthy after 60 s"
        time.sleep(0.3)


@pytest.mark.parametrize("user", USERS)
def test_a_service_writes_what_it_may_and_nothing_else(secured, user):
    may = {rule.name for rule in access_rules([NODE])
           if rule.user == user and rule.deed is Deed.WRITE}
    producer = secured.bus(user).producer()
    written, refused = set(), []
    for topic in TOPICS:
        try:
            producer.send(topic, "k", b"{}").wait(10)
        except BusUnavailableError as error:
            refused.append(str(error))
        else:
            written.add(topic)
    assert all("Authorization" in said for said in refused)
    assert written == may & set(TOPICS)


@pytest.mark.parametrize("user", USERS)
def test_a_service_reads_with_its_own_group(secured, user):
    rules = [rule for rule in access_rules([NODE]) if rule.user == user]
    bus = secured.bus(user)
    groups = [rule.name for rule in rules if rule.resource is Resource.GROUP]
    topic = next(rule.name for rule in rules
                 if rule.deed is Deed.READ and rule.resource is Resource.TOPIC)
    consumer = bus.consumer(groups[0] if groups else None)
    partitions = bus.partitions_of(topic)
    consumer.assign(partitions)
    consumer.poll(0.2)
    consumer.commit({partitions[0]: 0})


def test_without_tls_or_with_another_authority_nobody_gets_in(secured):
    with pytest.raises(BusUnavailableError):
        secured.bus("rota_app", ca=None).ping(3.0)
    with pytest.raises(BusUnavailableError):
        secured.bus("rota_app", ca="tls_mysql_cert.txt").ping(3.0)


def test_a_changed_password_works_after_the_task_and_the_old_one_does_not(secured):
    old = secured.bus("rota_balancer")
    users, password = secured.folder / "kafka_users.txt", secured.folder / "kafka_rota_balancer.txt"
    before, fresh = password.read_text(), "N3w-" + token_hex(12)
    for path in (users, password):
        content = path.read_text().replace(before, fresh)
        path.chmod(0o644)
        path.write_text(content)
    assert secured.set_up().returncode == 0
    with pytest.raises(BusUnavailableError):
        old.ping(5.0)
    secured.bus("rota_balancer").ping(5.0)
