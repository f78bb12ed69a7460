"""Reading a job's output from the platform client of its machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping

import httpx

from common.errors import Permanent, Retryable
from common.secret import Secret

CONNECT_TIMEOUT_S = 3.0
FIRST_BYTE_TIMEOUT_S = 30.0


class MachineUnreachableError(Retryable):
    """The machine that has this output does not answer."""


class NoOutputError(Permanent):
    """No output of this attempt is there."""


def open_log(
    url: str, options: Mapping[str, str], token: Secret, stopping: threading.Event
) -> Iterator[bytes]:
    """Open the output and return its chunks; errors are raised before the first chunk."""
    reading = 20.0 if not options.get("follow") else None
    timeout = httpx.Timeout(FIRST_BYTE_TIMEOUT_S, connect=CONNECT_TIMEOUT_S, read=reading)
    client = httpx.Client(timeout=timeout, trust_env=False)
    request = client.build_request(
        "GET", url, params=dict(options), headers={"Authorization": f"Bearer {token.reveal()}"}
    )
    try:
        response = client.send(request, stream=True)
    except httpx.HTTPError as error:
        client.close()
        raise MachineUnreachableError(f"{url}: {error}") from error
    if response.status_code != 200:
        response.close()
        client.close()
        raise _refusal(response.status_code)
    return _chunks(client, response, stopping)


def _chunks(
    client: httpx.Client, response: httpx.Response, stopping: threading.Event
) -> Iterator[bytes]:
    try:
        for chunk in response.iter_raw():
            yield chunk
            if stopping.is_set():
                return
    except httpx.HTTPError as error:
        yield f"\n[the machine's output broke off: {type(error).__name__}]\n".encode()
    finally:
        response.close()
        client.close()


def _refusal(status: int) -> Permanent | Retryable:
    if status == 404:
        return NoOutputError()
    return MachineUnreachableError(f"the platform client answers {status}")
