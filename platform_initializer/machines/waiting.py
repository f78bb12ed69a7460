"""Waits until a new machine's SSH server says its greeting."""

from __future__ import annotations

import socket
import time

from platform_initializer.errors import Failure, MachineError

PAUSE_S = 0.3


def wait_for_ssh(name: str, address: str, port: int, timeout_s: float) -> None:
    """Return when a server greets with ``SSH-``; raise `MachineError` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    said = "nothing"
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((address, port), timeout=3.0) as connection:
                connection.settimeout(5.0)
                greeting = connection.recv(4)
            if greeting == b"SSH-":
                return
            said = f"{greeting!r}"
        except OSError as error:
            said = str(error)
        time.sleep(PAUSE_S)
    raise MachineError(Failure(
        name, "waiting for its SSH server",
        f"{address}:{port} did not greet within {timeout_s:.0f} s (last: {said})",
        next_step="see its console; check that this host may reach the address and port",
    ))  # fmt: skip
