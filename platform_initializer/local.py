"""The machine the tool runs on, behind the same interface as one reached over SSH."""

from __future__ import annotations

import os
import selectors
import subprocess
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from common.ssh import SshResult, SshTimeoutError, SshUnreachableError
from common.ssh.commands import write_file
from common.ssh.deadline import Deadline


class LocalConnection:
    """Runs commands here. Safe to share between threads."""

    def run(
        self, argv: Sequence[str], stdin: bytes | Iterable[bytes] = b"", timeout_s: float = 30.0
    ) -> SshResult:
        process = subprocess.Popen(
            list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            if isinstance(stdin, bytes):
                out, err = process.communicate(stdin, timeout=timeout_s)
            else:
                threading.Thread(target=_feed, args=(process, stdin), daemon=True).start()
                out, err = _collect(process, timeout_s)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.communicate()
            raise SshTimeoutError(f"here: {argv[0]}: no end within {timeout_s:.0f} s") from error
        return SshResult(process.returncode if process.returncode >= 0 else -1, out, err)

    def stream(self, argv: Sequence[str], timeout_s: float = 10.0) -> LocalStream:
        del timeout_s  # starting a process here does not wait
        return LocalStream(argv)

    def put(self, content: bytes, path: str, mode: int = 0o644, *, sudo: bool = False) -> None:
        self.run(write_file(path, mode, sudo=sudo), content).check(f"writing {Path(path).name}")

    def close(self) -> None:
        """Nothing is kept."""


class LocalStream:
    """A command that stays. Owned by one thread."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._buffer = b""

    def write(self, payload: bytes) -> None:
        assert self._process.stdin  # noqa: S101 - PIPE was asked for
        self._process.stdin.write(payload)
        self._process.stdin.flush()

    def read_until(self, end: bytes, timeout_s: float, limit: int = 65536) -> bytes:
        assert self._process.stdout  # noqa: S101 - PIPE was asked for
        deadline = Deadline(timeout_s)
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while end not in self._buffer:
                if not selector.select(deadline.left_s()):
                    raise SshTimeoutError(f"here: no answer within {timeout_s:.0f} s")
                chunk = os.read(self._process.stdout.fileno(), 4096)
                if not chunk or len(self._buffer) > limit:
                    raise SshUnreachableError("here: the command ended")
                self._buffer += chunk
        whole, _, self._buffer = self._buffer.partition(end)
        return whole + end

    def close(self) -> None:
        with suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)


def _feed(process: subprocess.Popen[bytes], stdin: Iterable[bytes]) -> None:
    assert process.stdin  # noqa: S101 - PIPE was asked for
    with suppress(BrokenPipeError), process.stdin:
        for chunk in stdin:
            process.stdin.write(chunk)


def _collect(process: subprocess.Popen[bytes], timeout_s: float) -> tuple[bytes, bytes]:
    """Read both outputs to their ends without touching stdin, which another thread feeds."""
    assert process.stdout  # noqa: S101 - PIPE was asked for
    assert process.stderr  # noqa: S101 - PIPE was asked for
    errors: list[bytes] = []
    reader = threading.Thread(target=lambda: errors.append(process.stderr.read()), daemon=True)  # type: ignore[union-attr]
    reader.start()
    out = process.stdout.read()
    process.wait(timeout_s)
    reader.join(timeout_s)
    return out, errors[0] if errors else b""
