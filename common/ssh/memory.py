"""The SSH door in memory: machines whose answers a test scripts, and which note what they are told.

Keeps the promises of `common.ssh` about host keys, reachability, quoting and files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from common.ssh import (
    HostKeyError,
    SshAuthenticationError,
    SshResult,
    SshTarget,
    SshTimeoutError,
    SshUnreachableError,
)

Answer = Callable[[Sequence[str], bytes], SshResult]
"""Plays a command: gets its argv and stdin."""


@dataclass(frozen=True)
class Call:
    """A command that was run."""

    argv: tuple[str, ...]
    stdin: bytes


@dataclass(frozen=True)
class WrittenFile:
    """A file that was put."""

    content: bytes
    mode: int
    sudo: bool


@dataclass
class MemoryMachine:
    """One machine. Change its fields to make it unreachable, slow or somebody else."""

    host_key: str
    users: set[str] | None = None  # None: lets everyone in
    is_reachable: bool = True
    is_hung: bool = False  # commands do not end in time
    calls: list[Call] = field(default_factory=list)
    files: dict[str, WrittenFile] = field(default_factory=dict)
    _scripts: list[tuple[tuple[str, ...], Answer]] = field(default_factory=list)
    _stream: Callable[[bytes], bytes] = lambda payload: payload

    def reply(
        self, *argv: str, stdout: bytes = b"", stderr: bytes = b"", exit_code: int = 0
    ) -> None:
        """Answer every command that begins with `argv` so; the latest script that fits wins."""
        self.play(*argv, answer=lambda _argv, _stdin: SshResult(exit_code, stdout, stderr))

    def play(self, *argv: str, answer: Answer) -> None:
        """Let a function answer every command that begins with `argv`."""
        self._scripts.append((argv, answer))

    def stream_with(self, answer: Callable[[bytes], bytes]) -> None:
        """Let a function answer what is written to streams."""
        self._stream = answer

    def run(self, argv: Sequence[str], stdin: bytes) -> SshResult:
        self.check_reachable()
        self.calls.append(Call(tuple(argv), stdin))
        if self.is_hung:
            raise SshTimeoutError
        for beginning, answer in reversed(self._scripts):
            if tuple(argv[: len(beginning)]) == beginning:
                return answer(argv, stdin)
        return SshResult(127, b"", f"not scripted: {list(argv)}".encode())

    def answer_stream(self, payload: bytes) -> bytes:
        self.check_reachable()
        return self._stream(payload)

    def check_reachable(self) -> None:
        if not self.is_reachable:
            raise SshUnreachableError


class MemoryDoor:
    """Opens connections to scripted machines."""

    def __init__(self) -> None:
        self._machines: dict[tuple[str, int], MemoryMachine] = {}

    def add(self, host: str, *, host_key: str = "SHA256:memory", port: int = 22) -> MemoryMachine:
        """Add a machine and return it to be scripted."""
        machine = MemoryMachine(host_key)
        self._machines[host, port] = machine
        return machine

    def connect(self, target: SshTarget, timeout_s: float = 10.0) -> MemoryConnection:
        del timeout_s
        if not target.host_key:
            raise HostKeyError(f"{target.name}: no host key is pinned: nothing was sent")
        machine = self._reach(target.host, target.port)
        if machine.host_key != target.host_key:
            raise HostKeyError(f"{target.name} shows {machine.host_key}: nothing was sent")
        if machine.users is not None and target.user not in machine.users:
            raise SshAuthenticationError(f"{target.name}: refuses the key of {target.user}")
        return MemoryConnection(machine)

    def scan_host_key(self, host: str, port: int, timeout_s: float = 10.0) -> str:
        del timeout_s
        return self._reach(host, port).host_key

    def _reach(self, host: str, port: int) -> MemoryMachine:
        machine = self._machines.get((host, port))
        if machine is None:
            raise SshUnreachableError(f"{host}:{port}: no such machine")
        machine.check_reachable()
        return machine


class MemoryConnection:
    """One connection."""

    def __init__(self, machine: MemoryMachine) -> None:
        self._machine = machine
        self._is_closed = False

    def run(
        self, argv: Sequence[str], stdin: bytes | Iterable[bytes] = b"", timeout_s: float = 30.0
    ) -> SshResult:
        del timeout_s
        self._check_open()
        return self._machine.run(argv, stdin if isinstance(stdin, bytes) else b"".join(stdin))

    def stream(self, argv: Sequence[str], timeout_s: float = 10.0) -> MemoryStream:
        del timeout_s
        self._check_open()
        self._machine.check_reachable()
        self._machine.calls.append(Call(tuple(argv), b""))
        return MemoryStream(self._machine)

    def put(self, content: bytes, path: str, mode: int = 0o644, *, sudo: bool = False) -> None:
        self._check_open()
        self._machine.check_reachable()
        self._machine.files[path] = WrittenFile(content, mode, sudo)

    def close(self) -> None:
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise SshUnreachableError("the connection is closed")


class MemoryStream:
    """A scripted remote command that stays."""

    def __init__(self, machine: MemoryMachine) -> None:
        self._machine = machine
        self._buffer = b""

    def write(self, payload: bytes) -> None:
        self._buffer += self._machine.answer_stream(payload)

    def read_until(self, end: bytes, timeout_s: float, limit: int = 65536) -> bytes:
        del timeout_s
        self._machine.check_reachable()
        if len(self._buffer) > limit:
            raise SshUnreachableError(f"more than {limit} bytes without an end")
        whole, found, rest = self._buffer.partition(end)
        if not found:
            raise SshTimeoutError
        self._buffer = rest
        return whole + found

    def close(self) -> None:
        """Do nothing: nothing runs."""
