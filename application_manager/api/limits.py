"""What holds for every request: an answer in time, and headers that protect.

While MySQL hangs, whoever only reads is told 503 after 4.5 s; the thread that waits for it goes on
until its door gives up.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from application_manager.api.problems import ApiError, problem

MOST_BODY_BYTES = 4 * 1024 * 1024  # FastAPI itself counts those that tell no length
READ_WITHIN_S = 4.5
WRITE_WITHIN_S = 30.0
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"content-security-policy",
     b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"),
)  # fmt: skip

_seconds = Histogram(
    "rota_http_request_seconds", "Requests by route and status", ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)  # fmt: skip


class Limits:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        length = dict(scope["headers"]).get(b"content-length", b"")
        if length.isdigit() and int(length) > MOST_BODY_BYTES:
            await problem(ApiError(413, "too_large", "at most 4 MiB"))(scope, receive, answer.send)
            return
        began = time.perf_counter()
        try:
            await self._bounded(scope, receive, answer)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            labels = (scope["method"], route, str(answer.status))
            _seconds.labels(*labels).observe(time.perf_counter() - began)

    async def _bounded(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        task = asyncio.ensure_future(self._app(scope, receive, answer.send))
        started = asyncio.ensure_future(answer.started.wait())
        within_s = READ_WITHIN_S if scope["method"] in ("GET", "HEAD") else WRITE_WITHIN_S
        try:
            await asyncio.wait({task, started}, timeout=within_s,
                               return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
            if not task.done() and not answer.started.is_set():
                late = ApiError(503, "unavailable", "no answer in time; try again soon")
                await problem(late, {"Retry-After": "2"})(scope, receive, answer.send)
                answer.is_over = True
                return
            await task
        finally:
            started.cancel()
            if not task.done() and not answer.is_over:
                task.cancel()


class _Answer:
    """The way out: adds headers, and swallows what comes after an answer in its place."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = asyncio.Event()
        self.is_over = False
        self.status = 0

    async def send(self, message: Message) -> None:
        if self.is_over:
            return
        if message["type"] == "http.response.start":
            self.started.set()
            self.status = message["status"]
            message = _with_headers(message)
        await self._send(message)


def _with_headers(message: Message) -> dict[str, Any]:
    present = {name.lower() for name, _ in message["headers"]}
    added = [pair for pair in _HEADERS if pair[0] not in present]
    return {**message, "headers": [*message["headers"], *added]}

