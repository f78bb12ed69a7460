"""Who may call a route. Deny by default: `check_guarded` refuses an app with an unguarded route.

A program sends ``Authorization: Bearer <API token>``; a browser has a session cookie and, for
whatever changes something, must send the CSRF token and come from our own origin.
"""

from __future__ import annotations

import hmac
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute, Mount

from application_manager.api.parts import Parts, PartsDep
from application_manager.api.problems import ApiError
from application_manager.domain.access import Actor, Role
from common.errors import ConfigError

COOKIE = "rota_session"
CSRF_HEADER = "x-csrf-token"
_SAFE = {"GET", "HEAD", "OPTIONS"}


class Guard:
    """A dependency that lets in whoever has the role, and returns who that is."""

    def __init__(self, role: Role) -> None:
        self.role = role

    def __call__(self, request: Request, parts: PartsDep) -> Actor:
        actor = _actor_of(request, parts)
        if actor is None:
            shown = "this API token is not known (any more)"
            needed = "an API token or a login is needed"
            raise ApiError(401, "not_logged_in", shown if _token_of(request) else needed)
        if actor.role < self.role:
            needs = f"{actor.name} is {actor.role.label}; this needs {self.role.label}"
            raise ApiError(403, "forbidden", needs)
        return actor


class Open:
    """A dependency that says: everybody may call this, on purpose."""

    def __call__(self) -> None:
        return None


Viewer = Annotated[Actor, Depends(Guard(Role.VIEWER))]
Operator = Annotated[Actor, Depends(Guard(Role.OPERATOR))]
Admin = Annotated[Actor, Depends(Guard(Role.ADMIN))]
Anybody = Annotated[None, Depends(Open())]


def policy_of(route: APIRoute) -> Guard | Open | None:
    """Return what guards a route."""
    calls = [each.call for each in route.dependant.dependencies]
    return next((call for call in calls if isinstance(call, (Guard, Open))), None)


def check_guarded(app: FastAPI) -> None:
    """Raise `ConfigError` for a route without a policy; mounts may only serve static files."""
    for route in routes_of(app):
        if isinstance(route, APIRoute):
            if policy_of(route) is None:
                raise ConfigError(f"the route {route.path} says not who may call it")
        elif not (isinstance(route, Mount) and route.path.startswith("/static")):
            raise ConfigError(f"{getattr(route, 'path', route)} is not guarded")


def routes_of(app: FastAPI) -> list[BaseRoute]:
    """List every route, those of included routers too."""
    return [context.original_route for context in iter_route_contexts(app.routes)]


def require_same_origin(request: Request) -> None:
    """Refuse a form or call that another site's page sends."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise ApiError(403, "foreign_origin", f"{origin} is not this platform")


def _token_of(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _actor_of(request: Request, parts: Parts) -> Actor | None:
    if token := _token_of(request):
        return parts.people.by_token(token)
    cookie = request.cookies.get(COOKIE)
    actor = parts.people.by_session(cookie) if cookie else None
    if actor is not None and request.method not in _SAFE:
        require_same_origin(request)
        sent = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(sent.encode(), (actor.csrf_token or "").encode()):
            raise ApiError(403, "csrf", f"the header {CSRF_HEADER} is missing or wrong")
    return actor
