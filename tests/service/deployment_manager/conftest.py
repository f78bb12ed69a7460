import pytest

from tests.service.deployment_manager.bench import Bench


@pytest.fixture
def bench():
    return Bench()
