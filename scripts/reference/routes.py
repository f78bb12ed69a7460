"""The OpenAPI document as the application manager publishes it, and a page of its routes."""

from __future__ import annotations

import json
from typing import Any, cast

from application_manager.api.app import build_app
from application_manager.api.openapi import document_of
from application_manager.api.parts import Parts
from scripts.reference.source import NOTE, table

_HEAD = f"""\
{NOTE}

# HTTP API

Below `https://<the page's address>/api/v1`; the whole description, with every field, is
[openapi.json](openapi.json), which a running platform also serves at `/api/v1/openapi.json`.

- **Who**: `Authorization: Bearer <API token>`. Roles are viewer, operator, admin; each may do
  what the one before may. A browser's session needs `X-CSRF-Token` for whatever changes
  something.
- **Errors** are RFC 9457 problems (`application/problem+json`) with a `code` for programs, and
  for files every problem with its line in `errors`.
- **Lists** answer `items` and `next_cursor`; give it back as `cursor` until it is null.
- **Changes**: `plan` answers an `etag`; `apply` with `If-Match` set to it is refused with 409
  when the platform has changed since. A repeated call with the same `Idempotency-Key` is done
  once.
- **Limits**: a body of 4 MiB at most (413). 503 means that the database does not answer; come
  back after `Retry-After` seconds.
- **Live**: `GET /stream` sends server-sent events with ids; `Last-Event-ID` goes on after one.
"""
_METHODS = ("get", "post", "put", "patch", "delete")


def document() -> dict[str, Any]:
    """Return the OpenAPI document; no route is called, so the application needs no parts."""
    return document_of(build_app(cast("Parts", None)))


def openapi_text() -> str:
    """Return the document as the file has it."""
    return json.dumps(document(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def text() -> str:
    """Return the page."""
    lines = [_HEAD]
    paths = document()["paths"]
    rows = [
        [f"`{method.upper()}`", f"`{path.removeprefix('/api/v1')}`",
         operation.get("x-rota-role", "anybody"), _duty(operation), _query(operation)]
        for path, operations in sorted(paths.items())
        for method, operation in operations.items()
        if method in _METHODS
    ]  # fmt: skip
    lines += table(["", "route", "role", "what", "query"], rows)
    return "\n".join(lines) + "\n"


def _duty(operation: dict[str, Any]) -> str:
    said = operation.get("description") or operation["summary"]
    return " ".join(said.split("\n\n")[0].split())


def _query(operation: dict[str, Any]) -> str:
    names = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"]
    return ", ".join(f"`{name}`" for name in names)
