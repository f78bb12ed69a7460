"""Errors where a person looks: the API's problems become pages that say what to do next."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from application_manager.api.problems import MEDIA_TYPE, wants_page
from application_manager.dashboard.render import THEMES, environment

_TITLES = {
    403: ("You may not do that", "Ask an administrator for the role that it needs."),
    404: ("There is nothing here", "It may have been removed, or the address is mistyped."),
    422: ("This address is not right", "One of its parts cannot be read."),
    503: ("The platform does not answer", "What runs goes on, and its stop times hold. Try again."),
}  # fmt: skip
_OURS = {"status": 500, "code": "internal_error", "detail": "This is a mistake of ours."}
_OTHER = ("Something went wrong", "Try again; if it stays, the service's log says more.")


class PageErrors:
    """ASGI middleware: where a browser asks for a page and gets a problem, it gets a page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope) if scope["type"] == "http" else None
        if request is None or not wants_page(request) or "hx-request" in request.headers:
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            await self._app(scope, receive, answer.take)
        except Exception:
            if answer.is_silent:  # whoever is outside logs it
                await error_page(request, _OURS)(scope, receive, send)
            raise
        if answer.start is not None:
            page = error_page(request, json.loads(answer.body))
            await page(scope, receive, send)


class _Answer:
    """Lets everything through but problems, which it keeps."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.start: Message | None = None
        self.body = b""
        self.is_silent = True

    async def take(self, message: Message) -> None:
        self.is_silent = False
        if message["type"] == "http.response.start" and _is_problem(message):
            self.start = message
        elif self.start is None:
            await self._send(message)
        else:
            self.body += message.get("body", b"")


def error_page(request: Request, problem: dict[str, Any]) -> Response:
    """Say what, why, and what to do next."""
    status = int(problem["status"])
    title, what_next = _TITLES.get(status, _OTHER)
    theme = request.cookies.get("rota_theme")
    text = environment().get_template("error.html").render(
        title=title, next=what_next, status=status, code=problem["code"], detail=problem["detail"],
        theme=theme if theme in THEMES else None,
    )  # fmt: skip
    headers = {
        "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    }  # fmt: skip
    return Response(text, status, headers, "text/html; charset=utf-8")


def _is_problem(message: Message) -> bool:
    types = [value for name, value in message["headers"] if name.lower() == b"content-type"]
    return bool(types) and types[0].startswith(MEDIA_TYPE.encode())
