"""Images being pulled, beside the workers: a slow registry delays no stop and no other start."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable

from common.errors import Permanent, Retryable
from common.logs import logger
from node_manager.client.domain.attempt import Key
from node_manager.client.engine import Engine

PULL_LIMIT_S = 300.0
PULLS_AT_ONCE = 2

Done = Callable[[Key, "str | None"], None]
"""Called with each attempt that waited for the image, and what went wrong, if anything."""

_log = logger("client.pulls")


class Pulls:
    """One pull an image, however many attempts wait for it."""

    def __init__(
        self,
        engine: Engine,
        on_pulled: Callable[[str], None],
        executor: concurrent.futures.Executor | None = None,
    ) -> None:
        self._engine = engine
        self._on_pulled = on_pulled
        self._executor = executor or concurrent.futures.ThreadPoolExecutor(PULLS_AT_ONCE, "pull")
        self._lock = threading.Lock()
        self._waiting: dict[str, dict[Key, Done]] = {}

    def request(self, image: str, key: Key, done: Done) -> None:
        """Pull `image` unless it is on its way; call `done` when it is here or cannot be."""
        with self._lock:
            is_first = image not in self._waiting
            self._waiting.setdefault(image, {})[key] = done
        if is_first:
            self._executor.submit(self._pull, image)

    def close(self) -> None:
        """Wait for nothing: what is being pulled is asked for again after a start."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _pull(self, image: str) -> None:
        problem: str | None = None
        try:
            self._engine.pull(image, PULL_LIMIT_S)
            self._on_pulled(image)
        except (Permanent, Retryable) as error:
            problem = str(error)
            _log.warning("pull_failed", image=image, error=problem)
        with self._lock:
            waiting = self._waiting.pop(image, {})
        for key, done in waiting.items():
            try:
                done(key, problem)
            except Retryable as error:  # the sweep asks again
                _log.warning("pull_not_noted", job_id=key.job_id, error=str(error))
