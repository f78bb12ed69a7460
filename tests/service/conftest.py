"""What holds for every service test."""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _logging_of_each_test_alone() -> Iterator[None]:
    """Undo what a test that starts a service set: its log would go to a stream closed since."""
    yield
    structlog.reset_defaults()
