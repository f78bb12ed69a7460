"""What happens on an open SSH connection: commands, streams, files, each within its deadline.

Several of paramiko's waits have no timeout, and a write to a dead machine can block for minutes. So
beside the patient way (channel timeouts) there is a watchdog that closes the whole transport when a
call is half a second late.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import paramiko

from common.ssh import SshResult, SshTimeoutError, SshUnreachableError
from common.ssh.commands import command_line, write_file
from common.ssh.deadline import Deadline

MAX_CHANNELS = 8
CHUNK = 65536
GRACE_S = 0.5
PUT_TIMEOUT_S = 60.0


class ParamikoConnection:
    """One kept connection. Safe to share between threads."""

    def __init__(self, transport: paramiko.Transport, name: str) -> None:
        self._transport = transport
        self._name = name
        self._places = threading.BoundedSemaphore(MAX_CHANNELS)

    def run(
        self, argv: Sequence[str], stdin: bytes | Iterable[bytes] = b"", timeout_s: float = 30.0
    ) -> SshResult:
        deadline = Deadline(timeout_s)
        with self._place(deadline), self._guarded(argv, deadline):
            channel = self._open(argv, deadline)
            try:
                return _talk(channel, stdin, deadline)
            except _StdinError as error:
                failed = error.error
            finally:
                _close_quietly(channel)
        raise failed

    def stream(self, argv: Sequence[str], timeout_s: float = 10.0) -> ParamikoStream:
        deadline = Deadline(timeout_s)
        if not self._places.acquire(timeout=timeout_s):
            raise SshTimeoutError(f"{self._name}: {MAX_CHANNELS} commands are running already")
        try:
            with self._guarded(argv, deadline):
                channel = self._open(argv, deadline)
        except Exception:
            self._places.release()
            raise
        return ParamikoStream(channel, self._name, self._places.release)

    def put(self, content: bytes, path: str, mode: int = 0o644, *, sudo: bool = False) -> None:
        done = self.run(write_file(path, mode, sudo=sudo), content, PUT_TIMEOUT_S)
        done.check(f"{self._name}: writing {path}")

    def close(self) -> None:
        self._transport.close()

    def _open(self, argv: Sequence[str], deadline: Deadline) -> paramiko.Channel:
        channel = self._transport.open_session(timeout=deadline.left_s())
        channel.settimeout(deadline.left_s())
        channel.exec_command(command_line(argv))
        return channel

    @contextmanager
    def _place(self, deadline: Deadline) -> Iterator[None]:
        if not self._places.acquire(timeout=deadline.left_s()):
            raise SshTimeoutError(f"{self._name}: {MAX_CHANNELS} commands are running already")
        try:
            yield
        finally:
            self._places.release()

    @contextmanager
    def _guarded(self, argv: Sequence[str], deadline: Deadline) -> Iterator[None]:
        what = f"{self._name}: {' '.join(argv)[:80]}"
        watchdog = threading.Timer(deadline.left_s() + GRACE_S, self._transport.close)
        watchdog.daemon = True
        watchdog.start()
        try:
            yield
        except TimeoutError as error:
            raise SshTimeoutError(f"{what}: no end within {deadline.timeout_s:.0f} s") from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            if deadline.has_passed():
                self._transport.close()
            raise SshUnreachableError(f"{what}: {error or type(error).__name__}") from error
        finally:
            watchdog.cancel()


class ParamikoStream:
    """A remote command that stays. Owned by one thread."""

    def __init__(
        self, channel: paramiko.Channel, name: str, on_close: Callable[[], None]
    ) -> None:
        self._channel = channel
        self._name = name
        self._on_close: Callable[[], None] | None = on_close
        self._buffer = bytearray()

    def write(self, payload: bytes) -> None:
        try:
            self._channel.settimeout(10.0)
            self._channel.sendall(payload)
        except (paramiko.SSHException, OSError) as error:
            raise SshUnreachableError(f"{self._name}: {error}") from error

    def read_until(self, end: bytes, timeout_s: float, limit: int = 65536) -> bytes:
        deadline = Deadline(timeout_s)
        while (found := self._buffer.find(end)) < 0:
            if len(self._buffer) > limit:
                raise SshUnreachableError(f"{self._name}: more than {limit} bytes without an end")
            self._buffer += self._receive(deadline)
        whole = bytes(self._buffer[: found + len(end)])
        del self._buffer[: len(whole)]
        return whole

    def close(self) -> None:
        _close_quietly(self._channel)
        on_close, self._on_close = self._on_close, None
        if on_close:
            on_close()

    def _receive(self, deadline: Deadline) -> bytes:
        try:
            self._channel.settimeout(deadline.left_s())
            received = self._channel.recv(CHUNK)
        except TimeoutError as error:
            late = f"{self._name}: no answer within {deadline.timeout_s:.0f} s"
            raise SshTimeoutError(late) from error
        except (paramiko.SSHException, OSError) as error:
            raise SshUnreachableError(f"{self._name}: {error}") from error
        if not received:
            raise SshUnreachableError(f"{self._name}: the remote command ended")
        return bytes(received)


class _Worker(threading.Thread):
    """Does one thing beside the caller and keeps what it raised."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self.result: Any = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.result = self._work()
        except Exception as error:  # noqa: BLE001 - the caller raises it on its own thread
            self.error = error


def _talk(
    channel: paramiko.Channel, stdin: bytes | Iterable[bytes], deadline: Deadline
) -> SshResult:
    """Feed stdin and drain stdout and stderr at the same time: either alone may fill its window."""
    errors = _Worker(lambda: _drain(channel, channel.recv_stderr, deadline))
    feeder = _Worker(lambda: _feed(channel, stdin, deadline))
    errors.start()
    feeder.start()
    stdout = _drain(channel, channel.recv, deadline)
    if not channel.status_event.wait(deadline.left_s()):
        raise TimeoutError
    errors.join(deadline.left_s())
    feeder.join(deadline.left_s())
    for worker in (feeder, errors):
        if worker.error:
            raise worker.error
    exit_code = channel.recv_exit_status()
    if exit_code == -1 and not channel.get_transport().is_active():
        raise EOFError("the connection broke")
    return SshResult(exit_code, stdout, errors.result or b"")


def _drain(
    channel: paramiko.Channel, receive: Callable[[int], bytes], deadline: Deadline
) -> bytes:
    chunks: list[bytes] = []
    while True:
        channel.settimeout(deadline.left_s())
        chunk = receive(CHUNK)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
        if deadline.has_passed():
            raise TimeoutError  # it keeps talking


def _feed(
    channel: paramiko.Channel, stdin: bytes | Iterable[bytes], deadline: Deadline
) -> None:
    for chunk in _guard_stdin(channel, stdin):
        try:
            channel.settimeout(deadline.left_s())
            channel.sendall(chunk)
        except OSError:
            if channel.exit_status_ready():
                return  # it ended without reading everything, as `head` does
            raise
    with suppress(OSError):
        channel.shutdown_write()


def _guard_stdin(channel: paramiko.Channel, stdin: bytes | Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks; when their source fails, end the command, which would wait for more."""
    try:
        yield from [stdin] if isinstance(stdin, bytes) else stdin
    except Exception as error:
        channel.close()
        raise _StdinError(error) from error


class _StdinError(Exception):
    """What the caller's own stdin raised; no fault of the connection."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _close_quietly(channel: paramiko.Channel) -> None:
    with suppress(Exception):
        channel.close()
