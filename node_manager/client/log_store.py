"""Output of containers that are removed: the last 10 MB of each, within a budget for all."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from node_manager.client.domain.attempt import Key

KEPT_BYTES = 10 * 1024 * 1024
BUDGET_BYTES = 1024 * 1024 * 1024
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,200}")


class LogStore:
    """A folder with one file an attempt. Safe to share between threads (one writer a file)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, key: Key, chunks: Iterable[bytes]) -> None:
        """Keep the last 10 MB of an output; raise OSError when the disk does not take it."""
        kept: deque[bytes] = deque()
        size = 0
        for chunk in chunks:
            kept.append(chunk)
            size += len(chunk)
            while size - len(kept[0]) >= KEPT_BYTES:
                size -= len(kept.popleft())
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = self._path(key).with_suffix(".part")
        with part.open("wb") as file:
            file.write(b"".join(kept)[-KEPT_BYTES:])
        part.rename(self._path(key))

    def read(self, key: Key, tail: int | None) -> bytes | None:
        """Return the output, or its last `tail` lines; None if there is none."""
        try:
            content = self._path(key).read_bytes()
        except (FileNotFoundError, ValueError):
            return None
        if tail is None:
            return content
        lines = content.splitlines(keepends=True)
        return b"".join(lines[len(lines) - tail :] if tail < len(lines) else lines)

    def prune(self, budget_bytes: int = BUDGET_BYTES) -> None:
        """Remove the oldest files beyond the budget."""
        files = []
        for path in self._folder.glob("*.log") if self._folder.is_dir() else ():
            with suppress(FileNotFoundError):
                status = path.stat()
                files.append((status.st_mtime, status.st_size, path))
        left = budget_bytes
        for _, size, path in sorted(files, reverse=True):
            left -= size
            if left < 0:
                path.unlink(missing_ok=True)

    def _path(self, key: Key) -> Path:
        if not _SAFE_NAME.fullmatch(key.job_id):
            raise ValueError(f"{key.job_id!r} is no job id")
        return self._folder / f"{key.job_id}-{key.attempt}.log"
