"""The OpenAPI document, published for everybody who writes a program against the API."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from application_manager.api.guard import Anybody, Guard, policy_of, routes_of

_PROBLEMS = {
    "400": "the body cannot be read",
    "401": "no token, or one that is not valid",
    "403": "the role does not allow it, or a browser's call without its CSRF token",
    "404": "there is no such thing",
    "409": "the platform is not as the request assumes",
    "413": "more than 4 MiB",
    "422": "the request or its files have problems; all are in `errors`",
    "429": "too many failed logins",
    "502": "the machine that has this does not answer",
    "503": "the database does not answer; Retry-After says when to come back",
}
_PROBLEM_SCHEMA = {
    "type": "object",
    "description": "RFC 9457, with a code for programs",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/FileProblem"}},
    },
}
_FILE_PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["file", "line", "column", "path", "code", "message", "hint"],
    "properties": {
        "file": {"type": "string"},
        "line": {"type": ["integer", "null"]},
        "column": {"type": ["integer", "null"]},
        "path": {"type": "string"},
        "code": {"type": "string"},
        "message": {"type": "string"},
        "hint": {"type": ["string", "null"]},
    },
}


def add_openapi(app: FastAPI) -> None:
    """Publish the document at /api/v1/openapi.json; it is made when first asked for."""
    router = APIRouter(prefix="/api/v1", include_in_schema=False)
    made: dict[str, Any] = {}

    @router.get("/openapi.json")
    def openapi(_: Anybody) -> dict[str, Any]:
        if not made:
            made.update(document_of(app))
        return made

    app.include_router(router)


def document_of(app: FastAPI) -> dict[str, Any]:
    """Describe every route with who may call it, and what may go wrong."""
    document: dict[str, Any] = app.openapi()
    schemas = document["components"]["schemas"]
    schemas |= {"Problem": _PROBLEM_SCHEMA, "FileProblem": _FILE_PROBLEM_SCHEMA}
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    document["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": "rota_session"},
    }
    for route in routes_of(app):
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                _describe(document["paths"][route.path][method.lower()], route)
    return document


def _describe(operation: dict[str, Any], route: APIRoute) -> None:
    policy = policy_of(route)
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status, text in _PROBLEMS.items():
        operation["responses"][status] = {"description": text, "content": content}
    if isinstance(policy, Guard):
        operation["security"] = [{"token": []}, {"session": []}]
        operation["x-rota-role"] = policy.role.label
