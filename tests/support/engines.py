"""Docker's door and its twin in memory, for the suites that both are to pass."""

import secrets

import pytest

from common.clock import SystemClock
from node_manager.client.domain.container import Owner
from node_manager.client.engine.docker_engine import DockerEngine
from node_manager.client.engine.memory import MemoryEngine
from tests.support.clients import IMAGE, remove_containers_of
from tests.support.servers import ensure_image


@pytest.fixture
def owner():
    return Owner("test", f"test-{secrets.token_hex(4)}")


@pytest.fixture
def door(owner):
    ensure_image("demo-app")
    opened = DockerEngine(owner)
    yield opened
    opened.close()
    remove_containers_of(owner.node_id)


@pytest.fixture(params=["memory", "docker"])
def engine(request, owner):
    if request.param == "memory":
        return MemoryEngine(owner, SystemClock(), images=[IMAGE])
    return request.getfixturevalue("door")
