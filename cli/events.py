"""Reading the platform's event stream, and going on where it broke off."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cli.api import Api
from cli.errors import CliError, ExitCode

AGAIN_S = 2.0
MOST_FAILURES = 15


@dataclass(frozen=True)
class Event:
    """One event of the stream."""

    name: str
    body: dict[str, Any]
    event_id: str | None = None


def parse_events(chunks: Iterable[bytes]) -> Iterator[Event]:
    """Cut a stream of server-sent events into events; comments are left out."""
    buffer = b""
    for chunk in chunks:
        buffer += chunk
        while b"\n\n" in buffer:
            block, buffer = buffer.split(b"\n\n", 1)
            event = _parse(block.decode())
            if event is not None:
                yield event


def follow(api: Api) -> Iterator[Event]:
    """Yield events for ever; after a break resume behind the last one seen."""
    last, failures = None, 0
    while True:
        try:
            for event in parse_events(api.stream("/stream", timeout_s=60, after=last)):
                failures = 0
                last = event.event_id or last
                yield event
        except CliError as error:
            failures += 1
            if error.exit_code is not ExitCode.UNREACHABLE or failures > MOST_FAILURES:
                raise
            time.sleep(AGAIN_S)


def _parse(block: str) -> Event | None:
    fields = dict(
        line.split(": ", 1) for line in block.splitlines() if ": " in line and line[0] != ":"
    )
    if "data" not in fields:
        return None
    return Event(fields.get("event", "message"), json.loads(fields["data"]), fields.get("id"))
