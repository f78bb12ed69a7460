"""A platform whose third machine runs apps alone, so that it can be off while all else goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import _own_jobs, brought_up
from tests.e2e.platform import Platform

__all__ = ["_own_jobs", "platform"]
SERVICES = """\
services:
  kafka: {on: [m1]}
  mysql: {on: [m2]}
  scheduler: {on: [m1, m2]}
  deployment_manager: {on: [m1, m2]}
  load_balancer: {on: [m1]}
  node_manager: {on: [m1]}
  application_manager: {on: [m2]}
"""


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Three machines; services on m1 and m2."""
    with brought_up(tmp_path_factory.mktemp("faults"), SERVICES) as running:
        yield running
