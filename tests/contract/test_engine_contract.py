"""What the client's engine promises, held by Docker and by its twin in memory."""

import secrets
import subprocess
import time
from contextlib import suppress
from datetime import timedelta

import pytest

from node_manager.client.domain.attempt import Key, Status
from node_manager.client.domain.container import Owner, Policy, plan_container
from node_manager.client.engine import (
    ContainerRefusedError,
    EngineUnavailableError,
    ImageMissingError,
    NameTakenError,
    NoSuchContainerError,
    PullFailedError,
)
from node_manager.client.engine import docker_engine as docker_door
from node_manager.client.engine.docker_engine import DockerEngine
from node_manager.client.engine.memory import MemoryEngine
from tests.support.clients import IMAGE, now, remove_containers_of, start_of
from tests.support.docker_proxy import DockerProxy
from tests.support.servers import ensure_image


def plan(owner, name="a", *command, **fields):
    start = start_of(owner.node_id, f"{owner.node_id}-{name}.0", *(command or ("forever",)), **fields)
    return plan_container(start, owner, Policy()), Key(start.job_id, 1)


def test_a_container_lives_from_create_to_remove(engine, owner):
    stop_at = now() + timedelta(hours=1)
    made, key = plan(owner, stop_at=stop_at, epoch=7, spec={"timeout_s": 60, "grace_s": 4})
    assert engine.inspect(made.name) is None
    engine.create(made)
    created = engine.inspect(made.name)
    assert (created.status, created.started_at, created.epoch) == (Status.CREATED, None, 7)
    assert (created.stop_at, created.timeout_s, created.grace_s) == (stop_at, 60, 4)
    before = now()
    engine.start(made.name)
    engine.start(made.name)
    running = engine.inspect(made.name)
    assert running.status is Status.RUNNING
    assert before - timedelta(seconds=1) <= running.started_at <= now()
    assert [found for found, _ in engine.containers()] == [key]
    engine.signal(made.name, "SIGKILL")
    ended = wait_for_end(engine, made.name)
    assert (ended.exit_code, ended.oom_killed) == (137, False)
    engine.signal(made.name, "SIGTERM")
    engine.remove(made.name)
    engine.remove(made.name)
    assert engine.inspect(made.name) is None
    assert list(engine.containers()) == []


def wait_for_end(engine, name):
    until = time.monotonic() + 10
    while engine.inspect(name).status is Status.RUNNING and time.monotonic() < until:
        time.sleep(0.05)
    return engine.inspect(name)


def test_a_secret_is_a_file_that_the_app_may_read_and_nothing_else_tells(owner, tmp_path):
    ensure_image("demo-app")
    canary = secrets.token_hex(16)
    folder = tmp_path / "app-secrets"
    folder.mkdir(mode=0o700)
    (folder / "db-password").write_text(canary)
    (folder / "db-password").chmod(0o444)
    door = DockerEngine(owner)
    try:
        start = start_of(owner.node_id, f"{owner.node_id}-a.0", "forever",
                         spec={"secrets": ("db-password",)})
        made = plan_container(start, owner, Policy(secrets_folder=str(folder)))
        door.create(made)
        door.start(made.name)
        inside = ["docker", "exec", made.name, "cat", "/run/secrets/db-password"]
        assert subprocess.run(inside, capture_output=True, text=True, check=True).stdout == canary
        written = ["docker", "exec", made.name, "sh", "-c", "echo x > /run/secrets/db-password"]
        assert subprocess.run(written, capture_output=True, check=False).returncode != 0
        told = subprocess.run(["docker", "inspect", made.name], capture_output=True, text=True, check=True)
        logs = subprocess.run(["docker", "logs", made.name], capture_output=True, text=True, check=True)
        assert canary not in told.stdout + logs.stdout + logs.stderr + repr(made)
        missing = start_of(owner.node_id, f"{owner.node_id}-b.0", "forever", spec={"secrets": ("no",)})
        with pytest.raises(ContainerRefusedError, match="app-secrets/no"):
            door.create(plan_container(missing, owner, Policy(secrets_folder=str(folder))))
        assert not (folder / "no").exists()
    finally:
        door.close()
        remove_containers_of(owner.node_id)


def test_a_taken_name_is_told(engine, owner):
    made, _ = plan(owner)
    engine.create(made)
    with pytest.raises(NameTakenError):
        engine.create(made)


def test_a_missing_image_is_told_and_cannot_be_pulled_from_nowhere(engine, owner):
    made, _ = plan(owner, image="localhost:1/none:1")
    with pytest.raises(ImageMissingError):
        engine.create(made)
    with pytest.raises(PullFailedError):
        engine.pull("localhost:1/none:1", 20)


def test_an_image_is_there_until_it_is_removed_and_not_while_a_container_needs_it(engine, owner):
    image = f"rota/test-copy:{owner.node_id}"
    assert not engine.has_image(image)
    if isinstance(engine, MemoryEngine):
        engine.images.add(image)
    else:
        subprocess.run(["docker", "tag", IMAGE, image], check=True)
    assert engine.has_image(image)
    made, _ = plan(owner, image=image)
    engine.create(made)
    if isinstance(engine, MemoryEngine):  # Docker only unties a second name of a used image
        assert not engine.remove_image(image)
    engine.remove(made.name)
    assert engine.remove_image(image)
    assert not engine.has_image(image)
    assert engine.remove_image(image)


def test_docker_keeps_the_only_name_of_an_image_that_a_container_needs(owner):
    ensure_image("demo-app")
    image = f"rota/test-only:{owner.node_id}"
    subprocess.run(["docker", "build", "-q", "-t", image, "-"], check=True, capture_output=True,
                   input=f"FROM {IMAGE}\nLABEL only={owner.node_id}".encode())
    door = DockerEngine(owner)
    made, _ = plan(owner, image=image)
    try:
        door.create(made)
        assert not door.remove_image(image)
        door.remove(made.name)
        assert door.remove_image(image)
    finally:
        door.close()
        remove_containers_of(owner.node_id)


def test_what_is_not_there_is_told_by_start_and_logs_only(engine):
    with pytest.raises(NoSuchContainerError):
        engine.start("rota-nothing-1")
    with pytest.raises(NoSuchContainerError):
        engine.logs("rota-nothing-1", tail=None, follow=False)
    engine.signal("rota-nothing-1", "SIGTERM")
    engine.remove("rota-nothing-1")


def test_a_running_container_is_not_removed(engine, owner):
    made, _ = plan(owner)
    engine.create(made)
    engine.start(made.name)
    with pytest.raises(EngineUnavailableError):
        engine.remove(made.name)
    assert engine.inspect(made.name).status is Status.RUNNING


def test_another_owners_container_is_foreign(engine, owner):
    made, key = plan(Owner("test", owner.node_id + "-x"), "x")
    engine.create(made)
    try:
        assert engine.inspect(made.name).is_ours is False
        assert key not in dict(engine.containers())
    finally:
        engine.remove(made.name)


def test_the_machine_is_described(engine):
    info = engine.info()
    assert info.cpus >= 1
    assert info.memory_bytes > 1 << 28


def test_docker_refuses_what_cannot_start(owner):
    ensure_image("demo-app")
    door = DockerEngine(owner)
    made, _ = plan(owner, image="rota/root-bookworm:none")
    with pytest.raises(ImageMissingError):
        door.create(made)
    made, _ = plan(owner, "limit", spec={"memory_bytes": 1000})
    with pytest.raises(ContainerRefusedError):
        door.create(made)
    door.close()


def test_a_hung_docker_is_told_in_time_and_used_again_when_it_is_back(owner, tmp_path, monkeypatch):
    monkeypatch.setattr(docker_door, "QUICK_S", 1.0)
    proxy = DockerProxy(tmp_path / "docker.sock")
    door = DockerEngine(owner, f"unix://{proxy.path}")
    assert door.info().cpus
    proxy.hangs = True
    for _ in range(20):  # more than the door has threads
        began = time.monotonic()
        with pytest.raises(EngineUnavailableError):
            door.containers()
        assert time.monotonic() - began < 1.5
    proxy.hangs = False
    until = time.monotonic() + 90
    while time.monotonic() < until:
        with suppress(EngineUnavailableError):
            assert list(door.containers()) == []
            break
    else:
        pytest.fail("it never came back")
    assert time.monotonic() < until
    proxy.close()
    door.close()


def test_no_docker_at_all_is_told(owner, tmp_path):
    door = DockerEngine(owner, f"unix://{tmp_path}/none.sock")
    with pytest.raises(EngineUnavailableError):
        door.inspect("rota-x-1")
    door.close()
