"""One door to other machines over SSH (paramiko), with pinned host keys.

Services see `SshDoor` and `SshConnection`; `common.ssh.paramiko_door.ParamikoDoor` is the real
one, `common.ssh.memory.MemoryDoor` its twin for tests. An unknown or changed host key sends no
credential: the key is compared inside the key exchange, before authentication. There is no option
that turns the check off.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from common.errors import Permanent, Retryable


class SshUnreachableError(Retryable):
    """The machine does not answer on its SSH port in time."""


class SshTimeoutError(Retryable):
    """The remote command did not end in time; its channel was closed."""


class HostKeyError(Permanent):
    """The machine shows another host key than the pinned one; nothing was sent."""


class SshAuthenticationError(Permanent):
    """The machine refused the key."""


class SshCommandError(Permanent):
    """A remote command that had to succeed did not; the message has its exit code and stderr."""


@dataclass(frozen=True)
class SshTarget:
    """One machine as SSH reaches it. `host_key`: ``SHA256:...`` fingerprint, or None if unknown.

    A None pin is refused by `connect`; `scan_host_key` is how a first fingerprint is learnt.
    """

    name: str
    host: str
    user: str
    host_key: str | None
    port: int = 22
    key_files: tuple[str, ...] = ()


@dataclass(frozen=True)
class SshResult:
    """What a remote command left behind. `exit_code` -1: ended by a signal."""

    exit_code: int
    stdout: bytes
    stderr: bytes

    def check(self, what: str) -> SshResult:
        """Return itself if the command succeeded, raise `SshCommandError` otherwise."""
        if self.exit_code != 0:
            said = self.stderr.decode("utf-8", "replace").strip() or "it said nothing"
            raise SshCommandError(f"{what}: exit code {self.exit_code}: {said}")
        return self


class SshStream(Protocol):
    """A remote command that stays, talking over its stdin and stdout. Owned by one thread."""

    def write(self, payload: bytes) -> None:
        """Send to its stdin; raise `SshUnreachableError`."""
        ...

    def read_until(self, end: bytes, timeout_s: float, limit: int = 65536) -> bytes:
        """Return what came up to and including `end`.

        Raises `SshTimeoutError`, and `SshUnreachableError` when it ended or exceeded `limit`.
        """
        ...

    def close(self) -> None: ...


class SshConnection(Protocol):
    """One kept connection. Safe to share between threads (each call has its own channel).

    At most 8 calls run at once, others wait. Every call ends by its `timeout_s`. After
    `SshUnreachableError` the connection is useless: close it and connect again.
    """

    def run(
        self, argv: Sequence[str], stdin: bytes | Iterable[bytes] = b"", timeout_s: float = 30.0
    ) -> SshResult:
        """Run a command, given as a list and quoted here, and wait for its end.

        An iterable `stdin` is sent as it yields, so that gigabytes need no memory here. A command
        that ends without reading its stdin is no error. Raises `SshTimeoutError` or
        `SshUnreachableError`; what `stdin` itself raises comes through.
        """
        ...

    def stream(self, argv: Sequence[str], timeout_s: float = 10.0) -> SshStream:
        """Start a command that stays; [] runs what the key's forced command says."""
        ...

    def put(self, content: bytes, path: str, mode: int = 0o644, *, sudo: bool = False) -> None:
        """Write a file: temporary, mode before content, fsync, rename; raise `SshCommandError`."""
        ...

    def close(self) -> None: ...


class SshDoor(Protocol):
    """Opens connections."""

    def connect(self, target: SshTarget, timeout_s: float = 10.0) -> SshConnection:
        """Connect and log in.

        Raises `HostKeyError`, `SshAuthenticationError` or `SshUnreachableError`.
        """
        ...

    def scan_host_key(self, host: str, port: int, timeout_s: float = 10.0) -> str:
        """Return the ``SHA256:...`` fingerprint a machine shows; authenticates nowhere."""
        ...
