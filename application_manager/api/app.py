"""The HTTP application: routes, errors, limits and headers."""

from __future__ import annotations

from fastapi import FastAPI

from application_manager.api import (
    asks,
    calendar,
    fleet,
    jobs,
    login,
    notices,
    people,
    schedules,
    stream,
)
from application_manager.api.guard import check_guarded
from application_manager.api.limits import MOST_BODY_BYTES, Limits
from application_manager.api.openapi import add_openapi
from application_manager.api.parts import Parts
from application_manager.api.problems import add_handlers
from application_manager.dashboard import add_dashboard
from application_manager.dashboard.errors import PageErrors

ROUTERS = (
    schedules.router, jobs.router, asks.router, people.router, fleet.router, stream.router,
    login.router, calendar.router, notices.router,
)  # fmt: skip


def build_app(parts: Parts) -> FastAPI:
    """Put the application together; raises `ConfigError` if a route has no policy."""
    app = FastAPI(title="Rota", version="1", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.parts = parts
    for router in ROUTERS:
        app.include_router(router, max_body_size=MOST_BODY_BYTES)
    add_dashboard(app)
    add_openapi(app)
    add_handlers(app)
    app.add_middleware(Limits)
    app.add_middleware(PageErrors)
    check_guarded(app)
    return app
