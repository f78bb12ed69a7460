"""Who did what, and who may: audit, users, API tokens."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from application_manager.api.guard import Admin
from application_manager.api.parts import PartsDep
from application_manager.dashboard.render import page, view_of
from application_manager.domain.access import ROLE_NAMES
from application_manager.newest import pattern_of
from application_manager.registry import token_of

Json = dict[str, Any]
PAGE = 100

router = APIRouter(include_in_schema=False)


@router.get("/audit", response_class=HTMLResponse)
def audit_page(
    request: Request,
    parts: PartsDep,
    actor: Admin,
    *,
    q: Annotated[str, Query(max_length=62)] = "",
    who: Annotated[str, Query(max_length=64)] = "",
    before: Annotated[int | None, Query(ge=1)] = None,
) -> HTMLResponse:
    """List what people did, newest first."""
    view = view_of(request, parts, actor)
    with parts.screens.transaction() as transaction:
        rows = transaction.all(
            "list_audit", before=before, actor=who or None,
            target=pattern_of(q), limit=PAGE + 1,
        )  # fmt: skip
    entries = [{**row, "detail": _detail(row["detail"])} for row in rows[:PAGE]]
    more = view.url(before=entries[-1]["audit_id"]) if len(rows) > PAGE else None
    return page(view, "audit.html", entries=entries, q=q, who=who, more=more)


@router.get("/users", response_class=HTMLResponse)
def users_page(request: Request, parts: PartsDep, actor: Admin) -> HTMLResponse:
    """List users and API tokens."""
    view = view_of(request, parts, actor)
    with parts.screens.transaction() as transaction:
        users = transaction.all("list_users")
        tokens = [token_of(row) for row in transaction.all("list_tokens")]
    return page(view, "users.html", users=users, tokens=tokens, roles=ROLE_NAMES)


def _detail(text: str | None) -> str:
    """Write an entry's detail as words; it is JSON where the service wrote it."""
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return text or ""
    if not isinstance(found, dict):
        return str(found)
    return ", ".join(f"{key}: {value}" for key, value in found.items() if value not in (None, ""))
