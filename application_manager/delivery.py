"""How notices reach their receivers: each for itself, all at once, none longer than it may take.

What is due, and when it is tried again, is the notifier's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any
from urllib.parse import urlsplit

import httpx

from application_manager.domain.notices import NotTakenError
from common.clock import Clock
from common.db import Row

TIMEOUT_S = 5.0
"""So long may one try take in all, however slowly the receiver goes on talking."""
RECEIVERS_AT_ONCE = 20

Post = Callable[[str, dict[str, Any]], None]
"""Sends a body to an address; raises whatever says that it was not taken."""
Outcome = tuple[Row, Exception | None]


def post(url: str, body: dict[str, Any]) -> None:
    """POST a notice; anything but a 2xx raises, a redirect is not followed, no answer is read.

    The error does not name the URL: its path is often what keeps strangers out.
    """
    status = asyncio.run(_status_of(url, body))
    if not httpx.codes.is_success(status):
        raise NotTakenError(f"it answered {status}")


async def _status_of(url: str, body: dict[str, Any]) -> int:
    """The time limit is of the whole try: httpx's own begins anew with each byte that comes."""
    async with (
        asyncio.timeout(TIMEOUT_S),
        httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client,
        client.stream("POST", url, json=body) as answer,
    ):
        return answer.status_code


def deliver(send: Post, notices: Sequence[Row], clock: Clock) -> Iterator[Outcome]:
    """Try to send notices and yield each that was tried, with what went wrong, as it is known.

    Receivers (an address' host; letters have one server for all) are served beside each other, the
    notices of one in their order. Who does not answer is asked once: its other notices share that
    error. Who is slow gets no new try after the time of one: what is left then is not yielded.
    """
    groups = _by_receiver(notices)
    if len(groups) < 2:
        for group in groups:
            yield from _to_one(send, group, clock)
        return
    outcomes: SimpleQueue[Outcome | None] = SimpleQueue()

    def serve(group: Sequence[Row]) -> None:
        try:
            for outcome in _to_one(send, group, clock):
                outcomes.put(outcome)
        finally:
            outcomes.put(None)

    with ThreadPoolExecutor(RECEIVERS_AT_ONCE, "notices") as pool:
        for group in groups:
            pool.submit(serve, group)
        for _ in groups:
            while (outcome := outcomes.get()) is not None:
                yield outcome


def _by_receiver(notices: Sequence[Row]) -> list[list[Row]]:
    groups: dict[str, list[Row]] = {}
    for notice in notices:
        groups.setdefault(urlsplit(notice["url"]).netloc, []).append(notice)
    return list(groups.values())


def _to_one(send: Post, notices: Sequence[Row], clock: Clock) -> Iterator[Outcome]:
    """Send one receiver its notices, until it is silent or the time is up."""
    silent: Exception | None = None
    until = clock.monotonic() + TIMEOUT_S
    for notice in notices:
        if silent is None and clock.monotonic() > until:
            return
        error = silent or _tried(send, notice)
        if error is not None and not isinstance(error, NotTakenError):
            silent = error
        yield notice, error


def _tried(send: Post, notice: Row) -> Exception | None:
    try:
        send(notice["url"], json.loads(notice["body"]))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
        return error
    return None
