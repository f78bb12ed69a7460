"""The same platform as the end-to-end tests have."""

from tests.e2e.conftest import _own_jobs, platform

__all__ = ["_own_jobs", "platform"]
