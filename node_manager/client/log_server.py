"""The log endpoint: ``GET /v1/logs/<job_id>/<attempt>?follow=1&tail=N`` with a bearer token.

Only output of our own containers, while they exist and after their removal. The application
manager is its only user; people go through that.
"""

from __future__ import annotations

import hmac
import queue
import re
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from common.errors import ConfigError, Retryable
from common.secret import Secret
from node_manager.client.domain.attempt import Key
from node_manager.client.engine import Engine, LogStream, NoSuchContainerError
from node_manager.client.log_store import LogStore

MOST_STREAMS = 32
LOOK_EVERY_S = 2.0
QUEUED_CHUNKS = 64
_PATH = re.compile(r"/v1/logs/([A-Za-z0-9][A-Za-z0-9_.-]{0,200})/(\d{1,6})")


@dataclass
class LogSource:
    """Where output comes from: a living container, else what was kept of it."""

    engine: Engine
    kept: LogStore
    token: Secret
    slots: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(MOST_STREAMS)
    )

    def open(self, key: Key, tail: int | None, *, follow: bool) -> LogStream | bytes | None:
        """Return a stream, or the kept output, or None if there was never any."""
        try:
            seen = self.engine.inspect(key.name)
            if seen is not None and seen.is_ours:
                return self.engine.logs(key.name, tail=tail, follow=follow)
        except NoSuchContainerError:
            pass
        return self.kept.read(key, tail)


def start_log_server(source: LogSource, host: str, port: int) -> ThreadingHTTPServer:
    """Serve on threads of its own; `shutdown` and `server_close` end it."""
    handler = type("Handler", (_Handler,), {"source": source})
    try:
        server = ThreadingHTTPServer((host, port), handler)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="logs", daemon=True).start()
    return server


class _Handler(BaseHTTPRequestHandler):
    source: LogSource
    timeout = 15
    protocol_version = "HTTP/1.1"
    server_version = "rota-client"
    sys_version = ""

    def do_GET(self) -> None:
        if not self._is_allowed():
            self._answer(401, b"a bearer token is needed\n")
            return
        url = urlsplit(self.path)
        found = _PATH.fullmatch(url.path)
        query = parse_qs(url.query)
        tail = query.get("tail", [""])[0]
        if found is None or (tail and not tail.isdecimal()):
            self._answer(404, b"no such page\n")
            return
        if not self.source.slots.acquire(blocking=False):
            self._answer(503, b"too many log readers\n")
            return
        try:
            key = Key(found[1], int(found[2]))
            self._send(key, int(tail) if tail else None, follow=query.get("follow") == ["1"])
        finally:
            self.source.slots.release()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep requests out of the service's log."""

    def _is_allowed(self) -> bool:
        given = self.headers.get("Authorization", "")
        wanted = f"Bearer {self.source.token.reveal()}"
        return hmac.compare_digest(given.encode(), wanted.encode())

    def _send(self, key: Key, tail: int | None, *, follow: bool) -> None:
        try:
            output = self.source.open(key, tail, follow=follow)
        except Retryable as error:
            self._answer(503, f"{error}\n".encode())
            return
        if output is None:
            self._answer(404, b"no output of this attempt is here\n")
        elif isinstance(output, bytes):
            self._answer(200, output)
        else:
            with suppress(OSError):  # the reader left
                self._stream(output)

    def _stream(self, output: LogStream) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for chunk in _until_left(output, self.connection):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        finally:
            output.close()

    def _answer(self, status: int, body: bytes) -> None:
        self.close_connection = status != 200
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        self.end_headers()
        self.wfile.write(body)


def _until_left(output: LogStream, connection: socket.socket) -> Iterator[bytes]:
    """Yield chunks until the output ends or the reader is gone, also when nothing is printed."""
    pump = _Pump(output)
    threading.Thread(target=pump.run, name="log-reader", daemon=True).start()
    try:
        while (chunk := pump.take()) is not None:
            if chunk:
                yield chunk
            elif _is_gone(connection):
                return
    finally:
        pump.is_left.set()


class _Pump:
    """Reads an output on a thread of its own into a short queue, until nobody listens."""

    def __init__(self, output: LogStream) -> None:
        self._output = output
        self._chunks: queue.Queue[bytes | None] = queue.Queue(QUEUED_CHUNKS)
        self.is_left = threading.Event()

    def run(self) -> None:
        with suppress(Retryable):
            for chunk in self._output:
                if not self._put(chunk):
                    return
        self._put(None)

    def take(self) -> bytes | None:
        """Return the next chunk, none (b"") for now, or None after the last."""
        with suppress(queue.Empty):
            return self._chunks.get(timeout=LOOK_EVERY_S)
        return b""

    def _put(self, chunk: bytes | None) -> bool:
        """Queue a chunk; False when the reader left."""
        while not self.is_left.is_set():
            with suppress(queue.Full):
                self._chunks.put(chunk, timeout=LOOK_EVERY_S)
                return True
        return False


def _is_gone(connection: socket.socket) -> bool:
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
