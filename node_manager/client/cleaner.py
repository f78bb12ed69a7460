"""Keeps the machine's disk from filling up: images we pulled and nobody uses, logs we kept.

What may go is `domain.cleanup`'s. Images that were here before us and containers of others are
never touched; Docker itself refuses to remove an image that a container needs.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from common.clock import Clock
from common.image import name_of_image
from common.logs import logger
from node_manager.client.domain.attempt import Record
from node_manager.client.domain.cleanup import DISK_FULL, images_to_remove, log_budget
from node_manager.client.engine import Engine
from node_manager.client.journal import Journal
from node_manager.client.log_store import BUDGET_BYTES, LogStore

_log = logger("client.cleaner")


class ImageBook:
    """The images this client pulled, and when each was used last. Safe to share between threads.

    Kept in a file, so that they are known after a restart; what a full disk does not take is
    forgotten, and then the image just stays.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._last_used: dict[str, datetime] = {}
        with suppress(OSError, msgspec.MsgspecError):
            self._last_used = msgspec.json.decode(path.read_bytes(), type=dict[str, datetime])

    def note_pulled(self, image: str) -> None:
        """Take an image in: it came through us."""
        with self._lock:
            self._last_used[image] = self._clock.now()
            self._write()

    def note_used(self, image: str) -> None:
        """Remember the use of an image, if it is one of ours."""
        with self._lock:
            if image in self._last_used:
                self._last_used[image] = self._clock.now()

    def strike_out(self, image: str) -> None:
        """Forget an image that is gone."""
        with self._lock:
            self._last_used.pop(image, None)
            self._write()

    def last_used(self) -> dict[str, datetime]:
        """Return the last use of each image."""
        with self._lock:
            return dict(self._last_used)

    def save(self) -> None:
        """Write down the uses since the last time."""
        with self._lock:
            self._write()

    def _write(self) -> None:
        part = self._path.with_suffix(".part")
        with suppress(OSError):
            part.write_bytes(msgspec.json.encode(self._last_used))
            part.rename(self._path)


def disk_used_of(folder: Path) -> Callable[[], float]:
    """Return a measure of how full the disk below `folder` is, as a fraction."""

    def measure() -> float:
        disk = os.statvfs(folder)
        return 1.0 - disk.f_bavail / disk.f_blocks if disk.f_blocks else 0.0

    return measure


class Cleaner:
    """Cleans up, once a minute. Owned by one thread."""

    def __init__(
        self, engine: Engine, journal: Journal, images: ImageBook, disk_used: Callable[[], float]
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._images = images
        self._disk_used = disk_used

    def run_once(self, logs: LogStore, now: datetime) -> None:
        """Remove what may go; raise `Retryable` without Docker."""
        disk_used = self._disk_used()
        logs.prune(log_budget(BUDGET_BYTES, disk_used))
        if self._journal.needs_compaction():
            self._journal.compact(now)
        needed = {image for record in self._journal.records().values() for image in _needs(record)}
        for image in images_to_remove(self._images.last_used(), needed, now, disk_used):
            if self._engine.remove_image(image):
                self._images.strike_out(image)
                _log.info("image_removed", image=image, disk_used=round(disk_used, 3))
        self._images.save()

    def disk_error(self) -> str | None:
        """Say that the disk is full, if it is."""
        disk_used = self._disk_used()
        return f"the disk is {disk_used:.0%} full" if disk_used > DISK_FULL else None


def _needs(record: Record) -> tuple[str, ...]:
    command = record.command
    if command is None or record.finished is not None:
        return ()
    return command.spec.image, name_of_image(command.spec.image)
