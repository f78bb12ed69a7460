"""The OpenAPI document, published where its reader may call the API."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI

from application_manager.api.guard import Anybody


def add_openapi(app: FastAPI) -> None:
    """Publish the document at /api/v1/openapi.json."""
    router = APIRouter(prefix="/api/v1", include_in_schema=False)

    @router.get("/openapi.json")
    def openapi(_: Anybody) -> dict[str, Any]:
        return app.openapi()

    app.include_router(router)
