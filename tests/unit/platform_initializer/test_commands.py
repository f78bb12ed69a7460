"""What is run on machines, as lists, and the archive of files: golden, so that a change is seen."""

import io
import tarfile

from platform_initializer.domain.container import changes, once_args, run_args, spec_text
from platform_initializer.domain.services import (
    Place,
    Site,
    container_of,
)
from platform_initializer.domain.tasks import migrations_task, topics_task
from platform_initializer.errors import Failure, folded
from platform_initializer.host import RemoteFile, archive, as_root, explain

SITE = Site("acme", "10.0.0.1:9092", "10.0.0.2", 8443, "RAAA", {
    "kafka": "sha256:k", "mysql": "sha256:m", "services": "sha256:0123456789abcdef"})
PLACE = Place("m3", "10.0.0.3", '{"zone": "b"}')


def without_spec(argv):
    return [word for word in argv if not word.startswith("io.rota.spec")]


def test_a_service_that_stays():
    spec = container_of("scheduler", SITE, PLACE)
    assert without_spec(run_args(spec, "acme")) == [
        "docker", "run", "-d", "--name", "rota-scheduler", "--restart", "unless-stopped",
        "--network", "host", "--stop-timeout", "25",
        "--memory", "256m", "--memory-swap", "256m", "--pids-limit", "256",
        "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
        "--log-opt", "max-size=10m", "--log-opt", "max-file=3",
        "--user", "10001:10001", "--read-only", "--tmpfs", "/tmp:size=16m,mode=1777",
        "-v", "/etc/rota/secrets/scheduler:/run/secrets:ro",
        "-e", "ROTA_BUILD=0123456789ab", "-e", "ROTA_HEALTH_HOST=127.0.0.1",
        "-e", "ROTA_HEALTH_PORT=7101", "-e", "ROTA_KAFKA_BOOTSTRAP=10.0.0.1:9092",
        "-e", "ROTA_KAFKA_CA_FILE=/run/secrets/ca.pem",
        "-e", "ROTA_KAFKA_PASSWORD_FILE=/run/secrets/kafka_password",
        "-e", "ROTA_KAFKA_USER=rota_scheduler",
        "-e", "ROTA_MYSQL_CA_FILE=/run/secrets/ca.pem", "-e", "ROTA_MYSQL_HOST=10.0.0.2",
        "-e", "ROTA_MYSQL_PASSWORD_FILE=/run/secrets/mysql_password",
        "-e", "ROTA_MYSQL_PORT=3306", "-e", "ROTA_MYSQL_USER=rota_scheduler",
        "-e", "ROTA_REPLICA=m3",
        "--label", "io.rota.platform=acme", "--label", "io.rota.service=scheduler",
        "--label", "--label", "sha256:0123456789abcdef", "scheduler",
    ]  # fmt: skip


def test_the_client_has_the_socket_and_is_root_without_capabilities():
    spec = container_of("client", SITE, PLACE)
    argv = run_args(spec, "acme")
    assert spec.user == "0:0"
    assert argv[argv.index("--cap-drop"):][:2] == ["--cap-drop", "ALL"]
    assert [m for m in spec.mounts if "docker.sock" in m] == [
        "/var/run/docker.sock:/var/run/docker.sock"]
    assert argv[-2:] == ["sha256:0123456789abcdef", "node_manager.client"]
    others = ("scheduler", "deployment_manager", "load_balancer", "node_manager",
              "application_manager", "kafka", "mysql")
    assert not [s for s in others if "docker.sock" in " ".join(container_of(s, SITE, PLACE).mounts)]


def test_everything_binds_to_the_private_address_or_to_the_machine_itself():
    for service in ("kafka", "mysql", "client", "application_manager", "scheduler"):
        for name, value in container_of(service, SITE, PLACE).settings:
            if name.endswith(("_BIND", "HEALTH_HOST")):
                assert value in {"10.0.0.3", "127.0.0.1"}, (service, name)


def test_the_tasks():
    argv = once_args(migrations_task(SITE))
    assert argv[:3] == ["docker", "run", "--rm"]
    assert argv[argv.index("--entrypoint"):-3] == [
        "--entrypoint", "/bin/sh", "sha256:0123456789abcdef", "-c",
        'for module in "$@"; do python3 -m "$module" || exit; done', "migrations", "application_manager.migrations"]
    assert once_args(topics_task(SITE, ("m1", "m2")))[-4:] == [
        "-m", "platform_initializer.topics", "m1", "m2"]


def test_a_hash_changes_with_any_part_and_the_label_tells_which():
    before = container_of("scheduler", SITE, PLACE)
    after = container_of("scheduler", Site(**{**vars(SITE), "mysql": "10.0.0.9"}), PLACE)
    assert before.spec_hash() != after.spec_hash()
    assert changes(spec_text(before), after) == ["ROTA_MYSQL_HOST: 10.0.0.2 -> 10.0.0.9"]
    assert changes(spec_text(before), before) == []
    assert "image_id: none -> 0123456789abcdef" in changes("not json", before)


def test_root_is_reached_in_one_place():
    assert as_root(["docker", "ps"])[-3:] == ["rota", "docker", "ps"]
    assert 'exec sudo -n -- "$@"' in as_root(["true"])[2]


def test_the_archive_has_owners_modes_and_closed_folders():
    files = [RemoteFile("/etc/rota/secrets/kafka/users", b"u", 0o400, 10002),
             RemoteFile("/etc/rota/platform.json", b"{}")]
    with tarfile.open(fileobj=io.BytesIO(archive(files))) as tar:
        entries = {m.name: (oct(m.mode), m.uid) for m in tar.getmembers()}
    assert entries == {
        "etc": ("0o755", 0), "etc/rota": ("0o755", 0), "etc/rota/secrets": ("0o700", 0),
        "etc/rota/secrets/kafka": ("0o500", 10002),
        "etc/rota/secrets/kafka/users": ("0o400", 10002), "etc/rota/platform.json": ("0o644", 0),
    }


def test_a_known_story_is_told_in_words():
    told = explain(Failure("m1", "loading", "x", None, 1, ("write: No space left on device",)))
    assert told.why == "the disk is full"
    assert "df -h" in told.next_step


def test_equal_failures_are_told_once():
    one = [Failure(m, "reaching it", "refused") for m in ("m1", "m2")]
    groups = folded([*one, Failure("m3", "loading", "full")])
    assert [machines for machines, _ in groups] == [("m1", "m2"), ("m3",)]
