import pytest

from tests.service.deployment_manager.bench import Bench


@pytest.fixture
def bench():
    made = Bench()
    yield made
    made.database.close()
    made.database.server.close()
