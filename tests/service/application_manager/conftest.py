"""A world for each test."""

from collections.abc import Iterator

import pytest

from tests.service.application_manager.bench import World, world


@pytest.fixture(name="world")
def a_world() -> Iterator[World]:
    with world() as made:
        yield made
