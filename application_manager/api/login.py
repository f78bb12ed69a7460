"""Routes of logging in and out, for browsers."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Cookie, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from application_manager.api.guard import COOKIE, Anybody, Viewer, require_same_origin
from application_manager.api.parts import PartsDep

router = APIRouter(prefix="/api/v1", tags=["login"])


class Credentials(BaseModel):
    """A name and its password."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=64)
    password: str = Field(min_length=1, max_length=200)


@router.post("/login")
def log_in(
    given: Credentials, request: Request, response: Response, parts: PartsDep, _: Anybody
) -> dict[str, Any]:
    """Log in; the answer sets the session's cookie and tells the CSRF token."""
    require_same_origin(request)
    address = request.client.host if request.client else "unknown"
    session = parts.people.log_in(given.name, given.password, address)
    response.set_cookie(COOKIE, session.cookie, max_age=12 * 3600, secure=parts.is_tls,
                        httponly=True, samesite="strict")  # fmt: skip
    return {"name": session.actor.name, "role": session.actor.role.label,
            "csrf_token": session.csrf_token}  # fmt: skip


@router.post("/logout")
def log_out(
    response: Response,
    parts: PartsDep,
    _: Viewer,
    cookie: Annotated[str | None, Cookie(alias=COOKIE)] = None,
) -> dict[str, Any]:
    """End the session."""
    if cookie:
        parts.people.log_out(cookie)
    response.delete_cookie(COOKIE, samesite="strict", httponly=True, secure=parts.is_tls)
    return {"logged_out": True}
