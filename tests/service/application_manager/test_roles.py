"""The whole matrix of routes and roles, as a file that changes only on purpose."""

from __future__ import annotations

import os
from pathlib import Path

from fastapi.routing import APIRoute

from application_manager.api.guard import Guard, policy_of, routes_of
from tests.service.application_manager.bench import World

MATRIX = Path(__file__).parent / "roles.txt"


def test_each_route_has_the_role_that_the_matrix_says(world: World) -> None:
    lines = []
    for route in routes_of(world.client.app):  # type: ignore[arg-type]
        if isinstance(route, APIRoute) and route.path.startswith("/api/"):
            policy = policy_of(route)
            role = policy.role.label if isinstance(policy, Guard) else "anybody"
            lines += [f"{method:6} {route.path:45} {role}" for method in sorted(route.methods)]
    text = "\n".join(sorted(lines)) + "\n"
    if os.environ.get("ROTA_UPDATE_GOLDEN"):
        MATRIX.write_text(text)
    assert MATRIX.read_text() == text
