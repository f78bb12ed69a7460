"""How a service shows whether it is well: /livez, /readyz[?verbose], /metrics, /version.

The standard library's server is enough and keeps each service small. The checks themselves run in
a loop of `common.lifecycle`; requests only read the last outcome, so they never wait for MySQL.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

OK = "ok"
Check = Callable[[], object]
"""Returns None (or ``"ok"``) when all is well, a text or an exception saying what is not."""

_TEXT = "text/plain; charset=utf-8"


@dataclass
class Health:
    """The last outcome of every check. Written by the check loop, read by the health server."""

    version: Mapping[str, str]
    checks: Mapping[str, Check]
    stuck: Callable[[], list[str]] = list
    outcomes: dict[str, str] = field(default_factory=dict)

    def run_checks(self) -> None:
        """Run every check, one after the other; none may take longer than its door allows."""
        for name, check in self.checks.items():
            self.outcomes[name] = _outcome(check)

    def is_ready(self) -> bool:
        """Tell whether every check has run and was well the last time."""
        return all(self.outcomes.get(name) == OK for name in self.checks)


def _outcome(check: Check) -> str:
    try:
        said = check()
    except Exception as error:  # noqa: BLE001 - whatever a check raises is its outcome
        return f"{type(error).__name__}: {error}"
    return OK if said is None else str(said)


def start_health_server(health: Health, host: str, port: int) -> ThreadingHTTPServer:
    """Serve on a thread of its own; the caller shuts it down. Port 0 takes a free one."""
    handler = type("Handler", (_Handler,), {"health": health})
    server = ThreadingHTTPServer((host, port), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server


class _Handler(BaseHTTPRequestHandler):
    health: Health

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        match url.path:
            case "/livez":
                stuck = self.health.stuck()
                self._answer(503 if stuck else 200, "\n".join(stuck) or OK)
            case "/readyz":
                self._answer(200 if self.health.is_ready() else 503, self._readiness(url.query))
            case "/metrics":
                self._answer(200, generate_latest().decode(), CONTENT_TYPE_LATEST)
            case "/version":
                self._answer(200, json.dumps(dict(self.health.version)), "application/json")
            case _:
                self._answer(404, "not found")

    def _readiness(self, query: str) -> str:
        if "verbose" not in query:
            return OK if self.health.is_ready() else "not ready"
        outcomes = self.health.outcomes
        return "\n".join(f"{name}: {outcomes.get(name, 'not known yet')}"
                         for name in self.health.checks)  # fmt: skip

    def _answer(self, status: int, text: str, content_type: str = _TEXT) -> None:
        body = (text + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing: a probe every few seconds is no news."""
