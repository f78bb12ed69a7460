"""One line per image with its elapsed time; a live line on a terminal. Knows nothing of Docker."""

import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_LAST_LINES = 15


class Progress:
    """Tells how the builds go. Thread-safe; on a terminal a thread of its own redraws each second.

    Prints nothing but one line when all images are current.
    """

    def __init__(self, *, total: int, current: int) -> None:
        self._total, self._current = total, current
        self._running: dict[str, float] = {}
        self._lock = threading.Lock()
        self._live = sys.stdout.isatty()
        self._stopped = threading.Event()
        self._began = time.monotonic()
        self._redrawer = threading.Thread(target=self._redraw, daemon=True)

    def __enter__(self) -> Self:
        if self._live:
            self._redrawer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        if self._live:
            self._redrawer.join()
        elapsed = time.monotonic() - self._began
        self._say(f"images: {self._current} of {self._total} current after {elapsed:.1f} s")

    def start(self, name: str) -> None:
        with self._lock:
            self._running[name] = time.monotonic()
        if not self._live:
            self._say(f"{name:10} building")

    def finish(self, name: str, how: str, seconds: float, size: int) -> None:
        with self._lock:
            self._running.pop(name, None)
            self._current += 1
        self._say(f"{name:10} {how:8} {seconds:6.1f} s {size / 1e6:6.0f} MB")

    def fail(self, name: str, reason: str, log: Path | None) -> None:
        """Tell the reason and the last lines of the log, with its path."""
        with self._lock:
            self._running.pop(name, None)
        self._say(f"{name:10} FAILED   {reason}")
        if log:
            lines = log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
            self._say("\n".join(f"    | {line}" for line in lines))
            self._say(f"    whole log: {log}")

    def _say(self, text: str) -> None:
        with self._lock:
            clear = "\r\033[K" if self._live else ""
            print(f"{clear}{text}", flush=True)

    def _redraw(self) -> None:
        while not self._stopped.wait(1.0):
            with self._lock:
                now = time.monotonic()
                parts = [f"{name} {now - began:.0f} s" for name, began in self._running.items()]
                print(f"\r\033[Kbuilding: {', '.join(parts)}", end="", flush=True)
