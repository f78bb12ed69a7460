"""Routes of users, tokens, applications and the audit."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field, model_validator

from application_manager.api.asks import Body
from application_manager.api.guard import Admin, Operator, Viewer
from application_manager.api.paging import cursor_of, read_cursor
from application_manager.api.parts import PartsDep
from application_manager.domain.access import SHORTEST_PASSWORD
from application_manager.domain.calendar_link import CALENDAR, Shown

router = APIRouter(prefix="/api/v1", tags=["people"])
RoleName = Literal["viewer", "operator", "admin"]
Password = Annotated[str, Field(min_length=SHORTEST_PASSWORD, max_length=200)]
Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")]
_LAST = 2**62


class NewUser(Body):
    """A user to be made."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")
    password: Password
    role: RoleName


class UserChange(Body):
    """What is to change; None leaves it as it is."""

    role: RoleName | None = None
    password: Password | None = None
    is_disabled: bool | None = None


class NewToken(Body):
    """A token to be made; its secret is shown once.

    `calendar` opens nothing but one calendar, of an instance, of an application or of all.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")
    role: RoleName | Literal["calendar"]
    instance: str | None = Field(default=None, min_length=1, max_length=62)
    application: str | None = Field(default=None, min_length=1, max_length=64)

    @model_validator(mode="after")
    def _shows_one_thing(self) -> Self:
        given = [each for each in (self.instance, self.application) if each is not None]
        if len(given) > (1 if self.role == CALENDAR else 0):
            raise ValueError("only a calendar has an instance or an application, and not both")
        return self


class NewPassword(Body):
    """One's own password, and the one to have."""

    old: str = Field(min_length=1, max_length=200)
    new: Password


class Application(Body):
    """What can be run."""

    image: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._:/@-]{0,254}$")
    command: list[Annotated[str, Field(max_length=4096)]] = Field(default=[], max_length=100)
    description: str = Field(default="", max_length=500)


@router.get("/users")
def users(parts: PartsDep, _: Admin) -> dict[str, Any]:
    """List who may log in."""
    return {"items": parts.registry.users(), "next_cursor": None}


@router.post("/users", status_code=201)
def add_user(given: NewUser, parts: PartsDep, actor: Admin) -> dict[str, Any]:
    """Make a user; 409 if the name is taken."""
    parts.registry.add_user(given.name, given.password, given.role, actor)
    return {"name": given.name, "role": given.role}


@router.patch("/users/{name}")
def change_user(
    name: Name, given: UserChange, parts: PartsDep, actor: Admin
) -> dict[str, Any]:
    """Change a user; all of its sessions end."""
    parts.registry.change_user(name, given.model_dump(), actor)
    return {"name": name}


@router.delete("/users/{name}")
def delete_user(name: Name, parts: PartsDep, actor: Admin) -> dict[str, Any]:
    """Remove a user; the last admin stays."""
    parts.registry.delete_user(name, actor)
    return {"removed": name}


@router.post("/me/password")
def change_password(
    given: NewPassword, request: Request, parts: PartsDep, actor: Viewer
) -> dict[str, Any]:
    """Change one's own password; all sessions end. Guesses at the old one wait as at a login."""
    address = request.client.host if request.client else "unknown"
    parts.registry.change_password(actor, given.old, given.new, address)
    return {"name": actor.name}


@router.get("/tokens")
def tokens(parts: PartsDep, _: Admin) -> dict[str, Any]:
    """List API tokens, without their secrets."""
    return {"items": parts.registry.tokens(), "next_cursor": None}


@router.post("/tokens", status_code=201)
def add_token(given: NewToken, parts: PartsDep, actor: Admin) -> dict[str, Any]:
    """Make an API token or a calendar link; this answer is the only place where its secret is."""
    if given.role == CALENDAR:
        shown = Shown(given.instance, given.application)
        secret = parts.registry.add_calendar_link(given.name, shown, actor)
        return {"name": given.name, "role": given.role, "token": secret,
                "path": f"/api/v1/calendar/{secret}.ics"}  # fmt: skip
    secret = parts.registry.add_token(given.name, given.role, actor)
    return {"name": given.name, "role": given.role, "token": secret}


@router.delete("/tokens/{name}")
def delete_token(name: Name, parts: PartsDep, actor: Admin) -> dict[str, Any]:
    """Revoke a token at once."""
    parts.registry.delete_token(name, actor)
    return {"removed": name}


@router.get("/audit")
def audit(
    parts: PartsDep,
    _: Admin,
    target: Annotated[str | None, Query(max_length=128)] = None,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """List who did what, newest first."""
    before = read_cursor(cursor, int)[0] if cursor else _LAST
    items = parts.registry.audit(before, target, limit)
    more = cursor_of(items[-1]["audit_id"]) if len(items) == limit else None
    return {"items": items, "next_cursor": more}


@router.get("/applications")
def applications(parts: PartsDep, _: Viewer) -> dict[str, Any]:
    """List the application repository."""
    return {"items": parts.registry.applications(), "next_cursor": None}


@router.get("/applications/{name}")
def application(name: Name, parts: PartsDep, _: Viewer) -> dict[str, Any]:
    """Show one application."""
    return parts.registry.application(name)


@router.put("/applications/{name}")
def put_application(
    name: Name, given: Application, parts: PartsDep, actor: Operator
) -> dict[str, Any]:
    """Register an application, its image pinned to the content that the machines hold.

    Its instances take a new image when they are applied again. `note` says why it is not pinned.
    """
    return parts.registry.put_application(name, given.model_dump(), actor)


@router.delete("/applications/{name}")
def delete_application(name: Name, parts: PartsDep, actor: Operator) -> dict[str, Any]:
    """Take an application out of the repository; instances keep their image."""
    parts.registry.delete_application(name, actor)
    return {"removed": name}
