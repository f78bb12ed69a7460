"""The application manager's world, with a browser's way of asking."""

from tests.service.application_manager.conftest import a_world

__all__ = ["a_world"]
