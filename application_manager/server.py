"""The HTTP server: uvicorn on a thread of its own, ended without cutting answers off."""

from __future__ import annotations

import asyncio
import socket
import threading
from dataclasses import dataclass

import uvicorn
from anyio import to_thread
from fastapi import FastAPI

from common.errors import ConfigError, FatalError

DRAIN_S = 4
THREADS = 8
STOP_WITHIN_S = 8.0


@dataclass(frozen=True)
class HttpConfig:
    """Where to listen; with both files over TLS."""

    host: str
    port: int
    cert_file: str | None = None
    key_file: str | None = None


class HttpServer:
    """Serves from the first `run_once` to `close`. The port is taken when it is made."""

    def __init__(self, app: FastAPI, config: HttpConfig) -> None:
        try:
            self._socket = socket.create_server((config.host, config.port), backlog=128)
        except OSError as error:
            where = f"{config.host}:{config.port}"
            raise ConfigError(f"cannot listen on {where}: {error.strerror}") from error
        self.port = int(self._socket.getsockname()[1])
        self._server = uvicorn.Server(
            uvicorn.Config(
                app, log_config=None, access_log=False, server_header=False, ws="none",
                lifespan="off", timeout_graceful_shutdown=DRAIN_S, limit_concurrency=500,
                ssl_certfile=config.cert_file, ssl_keyfile=config.key_file, proxy_headers=False,
            )
        )  # fmt: skip
        self._thread = threading.Thread(target=self._serve, name="http-server", daemon=True)

    def run_once(self) -> float | None:
        """Start serving, and see that it goes on."""
        if self._thread.ident is None:
            self._thread.start()
        elif not self._thread.is_alive():
            raise FatalError("the HTTP server has ended")
        return None

    def close(self) -> None:
        """Take nothing new, finish what is being answered, end."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(STOP_WITHIN_S)
        self._socket.close()

    def _serve(self) -> None:
        asyncio.run(self._serve_async())

    async def _serve_async(self) -> None:
        # each thread keeps memory of its own, and there are but 6 connections to MySQL
        to_thread.current_default_thread_limiter().total_tokens = THREADS
        await self._server.serve(sockets=[self._socket])
