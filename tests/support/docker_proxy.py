"""A way to dockerd that a test can listen on and block."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def _ignore(chunk: bytes) -> None:
    """Nobody listens."""


class DockerProxy:
    """Passes bytes to a dockerd until `hangs`: then it swallows them.

    `listen` hears what a client has sent before dockerd does, on that connection's thread.
    """

    def __init__(
        self,
        path: Path,
        socket_of_docker: str = "/var/run/docker.sock",
        listen: Callable[[bytes], None] = _ignore,
    ) -> None:
        self.path = str(path)
        self.hangs = False
        self._far, self._listen = socket_of_docker, listen
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._far)
                for way in ((near, far, self._listen), (far, near, _ignore)):
                    threading.Thread(target=self._pass, args=way, daemon=True).start()

    def _pass(
        self, one: socket.socket, other: socket.socket, listen: Callable[[bytes], None]
    ) -> None:
        with suppress(OSError):
            while chunk := one.recv(65536):
                if self.hangs:
                    return
                listen(chunk)
                other.sendall(chunk)
            other.shutdown(socket.SHUT_WR)  # who leaves is seen to leave
