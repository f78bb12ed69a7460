"""How calls reach dockerd: each on a thread of the pool, each with a total limit. The door only."""

from __future__ import annotations

import concurrent.futures
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import docker
import docker.errors
import requests.exceptions
import urllib3.exceptions

from common.errors import FatalError
from node_manager.client.engine import EngineUnavailableError, NoSuchContainerError

T = TypeVar("T")
SOCKET = "unix:///var/run/docker.sock"
LONGEST_READ_S = 60.0
REFUSED_FOR_S = 60.0
"""So long Docker may refuse connections. Its socket may have been made anew on the machine, which
a container sees only when started again; if Docker is just down, it starts us when it is back."""
UNAVAILABLE = (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError)


class Connection:
    """docker-py on one socket. Safe to share between threads.

    requests only limits each read, so each call runs on a thread of its own pool and is left
    behind when its time is over; the read limit ends that thread later.
    """

    def __init__(
        self, base_url: str = SOCKET, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._base_url = base_url
        self._monotonic = monotonic
        self._refused_since: float | None = None
        self._lock = threading.Lock()
        self._apis: dict[float, docker.APIClient] = {}
        self._threads = concurrent.futures.ThreadPoolExecutor(16, "docker")

    def call(
        self, limit_s: float, function: Callable[[docker.APIClient], T], read_s: float = 0.0
    ) -> T:
        """Run one call within its total limit; Docker's absence becomes one error.

        `read_s` is the limit of one read where it is not the call's (streams). Raises `FatalError`
        when connections were refused for a minute.
        """
        with self._counting_refusals(), translated():
            each_s = read_s or min(limit_s, LONGEST_READ_S)
            future = self._threads.submit(lambda: function(self._connected(each_s)))
            try:
                return future.result(limit_s)
            except concurrent.futures.TimeoutError as error:
                future.cancel()
                raise EngineUnavailableError(f"Docker did not answer in {limit_s:g} s") from error

    def close(self) -> None:
        """Leave every call behind."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for api in self._apis.values():
                api.close()

    @contextmanager
    def _counting_refusals(self) -> Iterator[None]:
        try:
            yield
        except EngineUnavailableError as error:
            if not _is_refusal(error):
                raise
            now_s = self._monotonic()
            with self._lock:
                since_s = self._refused_since = self._refused_since or now_s
            if now_s - since_s < REFUSED_FOR_S:
                raise
            raise FatalError(f"Docker refused connections for {REFUSED_FOR_S:g} s") from error
        else:
            self._refused_since = None

    def _connected(self, read_s: float) -> docker.APIClient:
        """Return the client for this read limit, made (and its API version agreed) on first use.

        One a limit, so that the threads of a hung call are free again soon after its own limit.
        """
        with self._lock:
            found = self._apis.get(read_s)
        if found is None:
            found = docker.APIClient(
                base_url=self._base_url, version="auto", timeout=max(1, int(read_s)), num_pools=32
            )
            with self._lock:
                self._apis[read_s] = found
        return found


def words_of(error: docker.errors.APIError) -> str:
    """Return what Docker said, cut to what a person reads."""
    return str(error.explanation or error)[:500]


def _is_refusal(error: BaseException | None) -> bool:
    """Tell whether nobody listened at the socket, as the drivers' errors say by their causes."""
    while error is not None and not isinstance(error, ConnectionRefusedError):
        error = error.__cause__ or error.__context__
    return error is not None


@contextmanager
def translated() -> Iterator[None]:
    """Turn the drivers' ways of saying "not there" and "no answer" into ours."""
    try:
        yield
    except docker.errors.NotFound as error:
        if isinstance(error, docker.errors.ImageNotFound):
            raise
        raise NoSuchContainerError(words_of(error)) from error
    except docker.errors.APIError:
        raise
    except (docker.errors.DockerException, *UNAVAILABLE) as error:
        raise EngineUnavailableError(f"Docker does not answer: {error}"[:300]) from error
