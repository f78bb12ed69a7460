"""A mail server that keeps what it is handed, for tests and for trying notices by mail by hand.

    python -m tests.support.inbox ADDRESS PORT

prints the letters it takes, without TLS and without a login, until Ctrl-C.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import Any

from aiosmtpd.controller import Controller


@dataclass
class Inbox:
    """What the server was handed, and what it says to a letter."""

    letters: list[Any] = field(default_factory=list)
    receivers: list[str] = field(default_factory=list)
    answer: str = "250 taken"

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802 - its name
        if address.startswith("nobody"):
            return f"550 {address} is not here"
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - its name
        if self.answer.startswith("250"):
            self.letters.append(message_from_bytes(envelope.content))
            self.receivers += envelope.rcpt_tos
        return self.answer


class _Server(Controller):
    """Takes a free port; the library's own looks for itself at the port it was told."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def served(inbox: Inbox, address: str = "127.0.0.1", port: int = 0, **options: Any) -> Iterator[int]:
    """Serve it and yield the port."""
    server = _Server(inbox, address, port, **options)
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


class _Shown(Inbox):
    """Prints each letter as it comes."""

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - its name
        print(f"to {', '.join(envelope.rcpt_tos)}", envelope.content.decode(), sep="\n", flush=True)
        return await super().handle_DATA(server, session, envelope)


def main() -> None:
    """Show what comes until it is interrupted."""
    address, port = sys.argv[1:]
    with suppress(KeyboardInterrupt), served(_Shown(), address, int(port)):
        threading.Event().wait()


if __name__ == "__main__":
    main()
