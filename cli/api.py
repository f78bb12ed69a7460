"""Talking to the application manager: requests out, JSON or errors in four parts back.

On http.client, which costs a tenth of what an HTTP library costs to import.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from cli.connection import Connection, load_connection
from cli.errors import CliError, ExitCode

TIMEOUT_S = 30.0
AGAIN_S = 1.0
SHORTEST_S = 5.0  # for one answer, however short the whole may take
_EXITS = {
    401: ExitCode.FORBIDDEN, 403: ExitCode.FORBIDDEN, 404: ExitCode.NOT_FOUND,
    409: ExitCode.CONFLICT, 412: ExitCode.CONFLICT, 422: ExitCode.USAGE, 429: ExitCode.FORBIDDEN,
    502: ExitCode.UNREACHABLE, 503: ExitCode.UNREACHABLE, 504: ExitCode.UNREACHABLE,
}  # fmt: skip
_NEXT = {
    401: "rota login URL --token-file FILE",
    403: "ask an admin for a token with that role: rota token add NAME --role ROLE",
    503: "rota platform status, or try again soon",
}
_LISTS = {
    "applications": "rota application list", "jobs": "rota job list", "nodes": "rota node list",
    "notices": "rota notice channels", "schedules": "rota schedule list",
    "tokens": "rota token list", "users": "rota user list",
}  # fmt: skip


_OF_JOB = {"job_has_ended": "rota job show", "no_output": "rota job explain"}


class RefusedError(CliError):
    """The platform answered with a problem; `body` is all it said, `path` what was asked."""

    def __init__(self, status: int, body: Mapping[str, Any], where: str, path: str = "") -> None:
        super().__init__(
            str(body.get("detail") or body.get("title") or f"the platform answered {status}"),
            where=where,
            why=_reasons(body),
            next_command=_next_command(status, path, body.get("code")),
            exit_code=_EXITS.get(status, ExitCode.UNEXPECTED),
        )
        self.status = status
        self.body = body


@dataclass(frozen=True)
class Answer:
    """A JSON answer and the headers it came with."""

    body: Any
    headers: Mapping[str, str]


class Api:
    """One platform's HTTP API (`/api/v1`)."""

    def __init__(self, connection: Connection, timeout_s: float = TIMEOUT_S) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._socket_s = max(timeout_s, SHORTEST_S)

    @classmethod
    def of_user(cls, timeout_s: float = TIMEOUT_S) -> Api:
        """Return the platform that this user has logged in to."""
        return cls(load_connection(), timeout_s)

    def address_of(self, path: str) -> str:
        """Return the whole address of a path of this platform."""
        return self._connection.url + path

    def get(self, path: str, **query: Any) -> Any:
        """Read something."""
        return self.send("GET", _with_query(path, query)).body

    def items(self, path: str, limit: int | None = None, **query: Any) -> list[dict[str, Any]]:
        """Read a list, page after page, up to `limit` items."""
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            left = None if limit is None else limit - len(found)
            page = None if left is None else min(1000, left)
            answer = self.get(path, cursor=cursor, limit=page, **query)
            found += answer["items"]
            cursor = answer["next_cursor"]
            if cursor is None or (limit is not None and len(found) >= limit):
                return found[:limit]

    def send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request; raises `CliError` for whatever is not the answer asked for.

        While the platform says that its database is away, it is asked again until the time is up;
        what would not bear that carries an Idempotency-Key.
        """
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                return self._send_once(method, path, body, headers)
            except RefusedError as error:
                if error.status != 503 or time.monotonic() + AGAIN_S > deadline:
                    raise
            time.sleep(AGAIN_S)

    def _send_once(
        self, method: str, path: str, body: Any, headers: Mapping[str, str] | None
    ) -> Answer:
        response, close = self._open(method, path, body, headers)
        with close:
            try:
                text = response.read()
            except (OSError, HTTPException) as error:
                raise self._unreachable(error) from error
            return Answer(self._json(text), dict(response.headers.items()))

    def stream(self, path: str, timeout_s: float | None = None, **query: Any) -> Iterator[bytes]:
        """Yield what comes, as it comes, until the platform ends it."""
        reader = Api(self._connection, timeout_s or 3600.0)
        response, close = reader._open("GET", _with_query(path, query), None, None)
        with close:
            while chunk := response.read1(65536):
                yield chunk

    def _open(
        self, method: str, path: str, body: Any, headers: Mapping[str, str] | None
    ) -> tuple[HTTPResponse, _Closing]:
        connection = self._dial()
        sent = {"Authorization": f"Bearer {self._connection.token}", "Accept": "application/json"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        try:
            connection.request(method, f"/api/v1{path}", data, {**sent, **(headers or {})})
            response = connection.getresponse()
            refusal = response.read() if response.status >= 400 else None
        except (OSError, HTTPException) as error:
            connection.close()
            raise self._unreachable(error) from error
        if refusal is not None:
            connection.close()
            raise RefusedError(response.status, self._problem(refusal), self._connection.url, path)
        return response, _Closing(connection)

    def _dial(self) -> HTTPConnection:
        url = urlsplit(self._connection.url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise CliError(f"{self._connection.url!r} is not an address of a platform",
                           why="it must begin with http:// or https://",
                           exit_code=ExitCode.USAGE)  # fmt: skip
        if url.scheme == "http":
            return HTTPConnection(url.hostname, url.port or 80, timeout=self._socket_s)
        return HTTPSConnection(url.hostname, url.port or 443, timeout=self._socket_s,
                               context=self._context())  # fmt: skip

    def _context(self) -> ssl.SSLContext:
        file = self._connection.ca_file
        try:
            return ssl.create_default_context(cafile=file)
        except OSError as error:
            is_there = not isinstance(error, FileNotFoundError)
            raise CliError("cannot read the certificate of the platform's authority", where=file,
                           why="it is no certificate" if is_there else error.strerror,
                           next_command="rota login URL --token-file FILE --ca-file ca.pem",
                           exit_code=ExitCode.USAGE) from error  # fmt: skip

    def _unreachable(self, error: Exception) -> CliError:
        is_stranger = isinstance(error, ssl.SSLCertVerificationError)
        return CliError(
            "the platform's certificate is not vouched for" if is_stranger
            else "the platform does not answer",
            where=self._connection.url,
            why=str(error) or type(error).__name__,
            next_command="rota login URL --token-file FILE --ca-file ca.pem"
            "   (the file beside the platform's store of secrets)" if is_stranger
            else "rota platform status, or rota login with the right address",
            exit_code=ExitCode.UNREACHABLE,
        )

    def _json(self, text: bytes) -> Any:
        try:
            return json.loads(text)
        except ValueError as error:
            raise CliError("this answer is not Rota's", where=self._connection.url,
                           why=text[:80].decode("utf-8", "replace"),
                           exit_code=ExitCode.UNREACHABLE) from error  # fmt: skip

    def _problem(self, text: bytes) -> Mapping[str, Any]:
        body = self._json(text)
        return body if isinstance(body, dict) else {}


class _Closing:
    """Closes a connection at the end of a `with`."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def path_of(*parts: str) -> str:
    """Return the path of a thing; what a person wrote cannot mean another path."""
    for part in parts:
        if not part or "/" in part:
            raise CliError(f"{part!r} is no id", next_command="the same with --help shows one",
                           exit_code=ExitCode.USAGE)  # fmt: skip
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def _next_command(status: int, path: str, code: str | None) -> str | None:
    _, kind, name, *_ = [*path.replace("?", "/").split("/"), "", "", ""]
    if code in _OF_JOB:
        return f"{_OF_JOB[code]} {name}"
    listing = _LISTS.get(kind)
    if listing is not None and status in (404, 409, 412):
        return f"see what there is: {listing}"
    if listing is not None and status == 422:
        return f"the same with --help; what there is: {listing}"
    return _NEXT.get(status)


def _with_query(path: str, query: Mapping[str, Any]) -> str:
    pairs = {key: value for key, value in query.items() if value not in (None, [], ())}
    flags = {k: str(v).lower() if isinstance(v, bool) else v for k, v in pairs.items()}
    return f"{path}?{urlencode(flags, doseq=True)}" if flags else path


def _reasons(body: Mapping[str, Any]) -> str | None:
    errors = body.get("errors")
    if not isinstance(errors, list):
        return None
    return "; ".join(f"{e.get('path')}: {e.get('message')}" for e in errors[:3]) or None
