"""Reading a job's output from the platform client of its machine.

Asynchronous: somebody who follows an output for hours holds no thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping

import httpx

from common.errors import Permanent, Retryable
from common.secret import Secret

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 20.0
LOOK_EVERY_S = 1.0


class MachineUnreachableError(Retryable):
    """The machine that has this output does not answer."""


class NoOutputError(Permanent):
    """No output of this attempt is there."""


async def open_log(
    url: str, options: Mapping[str, str], token: Secret, stopping: threading.Event
) -> AsyncIterator[bytes]:
    """Open the output and return its chunks; errors are raised before the first chunk."""
    reading = None if options.get("follow") else READ_TIMEOUT_S
    timeout = httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S, read=reading)
    client = httpx.AsyncClient(timeout=timeout, trust_env=False)
    request = client.build_request(
        "GET", url, params=dict(options), headers={"Authorization": f"Bearer {token.reveal()}"}
    )
    try:
        response = await client.send(request, stream=True)
    except httpx.HTTPError as error:
        await client.aclose()
        raise MachineUnreachableError(f"{url}: {error}") from error
    if response.status_code != 200:
        await response.aclose()
        await client.aclose()
        raise _refusal(response.status_code)
    return _chunks(client, response, stopping)


async def _chunks(
    client: httpx.AsyncClient, response: httpx.Response, stopping: threading.Event
) -> AsyncIterator[bytes]:
    """Yield until the output ends, its reader leaves, or this service stops."""
    chunks = response.aiter_raw()
    upcoming = asyncio.ensure_future(anext(chunks, None))
    try:
        while not stopping.is_set():
            done, _ = await asyncio.wait({upcoming}, timeout=LOOK_EVERY_S)
            if not done:
                continue
            chunk = upcoming.result()
            if chunk is None:
                return
            yield chunk
            upcoming = asyncio.ensure_future(anext(chunks, None))
    except httpx.HTTPError as error:
        yield f"\n[the machine's output broke off: {type(error).__name__}]\n".encode()
    finally:
        upcoming.cancel()
        await response.aclose()
        await client.aclose()


def _refusal(status: int) -> Permanent | Retryable:
    if status == 404:
        return NoOutputError()
    return MachineUnreachableError(f"the platform client answers {status}")
