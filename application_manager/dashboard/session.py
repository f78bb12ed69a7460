"""Logging in by the browser."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from application_manager.api.guard import COOKIE, Anybody, require_same_origin
from application_manager.api.parts import PartsDep
from application_manager.dashboard.render import THEMES, environment
from application_manager.people import LoginRefusedError, TooManyTriesError

router = APIRouter(include_in_schema=False)


@router.get("/login", response_class=HTMLResponse)
def login_page(request: Request, _: Anybody) -> HTMLResponse:
    """Ask for a name and a password."""
    return _form(request)


@router.post("/login", response_model=None)
def log_in(
    request: Request,
    parts: PartsDep,
    _: Anybody,
    name: Annotated[str, Form(max_length=64)] = "",
    password: Annotated[str, Form(max_length=200)] = "",
) -> HTMLResponse | RedirectResponse:
    """Log in and go on to the page that was asked for."""
    require_same_origin(request)
    address = request.client.host if request.client else "unknown"
    try:
        session = parts.people.log_in(name, password, address)
    except LoginRefusedError:
        return _form(request, name, "The name or the password is wrong.")
    except TooManyTriesError as error:
        return _form(request, name, f"Too many failed tries. Try again in {error.wait_s} s.")
    answer = RedirectResponse(_next(request), 303)
    answer.set_cookie(COOKIE, session.cookie, max_age=12 * 3600, secure=parts.is_tls,
                      httponly=True, samesite="strict")  # fmt: skip
    return answer


def _next(request: Request) -> str:
    """Return the page to go on to; only one of ours."""
    wanted = urlsplit(request.query_params.get("next", "/"))
    is_ours = not wanted.scheme and not wanted.netloc and wanted.path.startswith("/")
    if not is_ours or wanted.path.startswith(("//", "/\\")):
        return "/"
    return wanted.path + (f"?{wanted.query}" if wanted.query else "")


def _form(request: Request, name: str = "", wrong: str = "") -> HTMLResponse:
    theme = request.cookies.get("rota_theme")
    text = environment().get_template("login.html").render(
        name=name, wrong=wrong, theme=theme if theme in THEMES else None
    )  # fmt: skip
    return HTMLResponse(text, 401 if wrong else 200, headers={"Cache-Control": "no-store"})
