"""The dashboard: server-rendered screens over what the services have written down.

It reads through a pool of its own (`Parts.screens`) and writes nothing; what people do on the
screens goes through the API like everybody else's wishes.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from application_manager.dashboard import (
    backfill,
    instances,
    jobs,
    nodes,
    notices,
    overview,
    people,
    services,
    session,
    timeline,
    upload,
)
from application_manager.dashboard.render import STATIC

ROUTERS = (
    overview.router, instances.router, jobs.router, nodes.router, upload.router, services.router,
    people.router, session.router, timeline.router, backfill.router,
    notices.router,
)  # fmt: skip


def add_dashboard(app: FastAPI) -> None:
    """Put the screens and their static files on the application."""
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", _StaticFiles(directory=STATIC), name="static")


class _StaticFiles(StaticFiles):
    """Files that browsers keep for a year where the address names the content, and fonts."""

    async def get_response(self, path: str, scope: MutableMapping[str, Any]) -> Response:
        answer = await super().get_response(path, scope)
        is_named = b"v=" in scope.get("query_string", b"")
        if is_named or path.endswith(".woff2"):
            answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        else:
            answer.headers["Cache-Control"] = "no-cache"  # kept, but asked for by its ETag
        return answer
