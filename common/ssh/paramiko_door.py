"""The door to SSH: connecting with a pinned host key. What goes on then is in `channel`.

`paramiko.Transport` is used directly: `SSHClient` compares host keys only after the key exchange,
and knows policies that add unknown ones. Here the key is compared inside the exchange, each time it
happens (also at a re-key), before anything of ours is sent.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import paramiko

from common.errors import ConfigError
from common.ssh import HostKeyError, SshAuthenticationError, SshTarget, SshUnreachableError
from common.ssh.channel import ParamikoConnection
from common.ssh.deadline import Deadline

KEEPALIVE_S = 5
LOOKS_EVERY_S = 2.0
"""So often a kept connection's thread looks whether it is to end or to show that it lives. The
driver's own 0.1 s cost 0.8 % of a core with 60 connections that said nothing, this costs 0.1 %."""
_KEY_FAMILIES = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256"),
)
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes256-ctr")


class ParamikoDoor:
    """Opens connections; holds nothing itself."""

    def __init__(self) -> None:
        # the driver logs what it also raises; without a handler that reaches a terminal's stderr
        logging.getLogger("paramiko").addHandler(logging.NullHandler())

    def connect(self, target: SshTarget, timeout_s: float = 10.0) -> ParamikoConnection:
        if not target.host_key:
            raise HostKeyError(f"{target.name}: no host key is pinned: nothing was sent")
        keys = [_load_key(path) for path in target.key_files]
        deadline = Deadline(timeout_s)
        transport = _open_pinned(target, deadline)
        try:
            with _watched(transport, deadline), _translated(target.name):
                _log_in(transport, target, keys, deadline)
        except Exception:
            transport.close()
            raise
        transport.set_keepalive(KEEPALIVE_S)
        transport.sock.settimeout(LOOKS_EVERY_S)
        return ParamikoConnection(transport, target.name)

    def scan_host_key(self, host: str, port: int, timeout_s: float = 10.0) -> str:
        every = tuple(algorithm for family in _KEY_FAMILIES for algorithm in family)
        transport = _exchange_keys((host, port), None, every, timeout_s)
        try:
            return str(transport.get_remote_server_key().fingerprint)
        finally:
            transport.close()


class _PinnedTransport(paramiko.Transport):
    """Ends the key exchange when the host key is not the pinned one (None: takes any)."""

    pinned: str | None = None

    def close(self) -> None:
        """Close, and let the thread that reads know at once: it looks but now and then."""
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        super().close()

    def _verify_key(self, host_key: Any, sig: Any) -> None:
        super()._verify_key(host_key, sig)  # type: ignore[misc]
        shown = self.host_key.fingerprint if self.host_key else "none"
        if self.pinned is not None and shown != self.pinned:
            raise _OtherHostKeyError(shown)


class _OtherHostKeyError(paramiko.SSHException):
    pass


def _open_pinned(target: SshTarget, deadline: Deadline) -> paramiko.Transport:
    """Connect; a machine has a key per family, and any of them may be the pinned one."""
    shown: list[str] = []
    for family in _KEY_FAMILIES:
        try:
            address = (target.host, target.port)
            return _exchange_keys(address, target.host_key, family, deadline.left_s())
        except _OtherHostKeyError as error:
            shown.append(str(error))
        except paramiko.SSHException:
            continue  # it has no key of this family
    if not shown:
        raise SshUnreachableError(f"{target.name}: no common host key algorithm")
    raise HostKeyError(
        f"{target.name} ({target.host}:{target.port}) shows host key {' and '.join(shown)}, "
        f"pinned is {target.host_key}: nothing was sent"
    )


def _exchange_keys(
    address: tuple[str, int], pinned: str | None, algorithms: tuple[str, ...], timeout_s: float
) -> paramiko.Transport:
    where = f"{address[0]}:{address[1]}"
    try:
        stream = socket.create_connection(address, timeout=timeout_s)
    except OSError as error:
        raise SshUnreachableError(f"{where}: {error.strerror or error}") from error
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport = _PinnedTransport(stream)
    transport.pinned = pinned
    options = transport.get_security_options()
    options.key_types = algorithms
    options.ciphers = _CIPHERS
    transport.banner_timeout = transport.handshake_timeout = timeout_s
    failed = _negotiate(transport, timeout_s)
    if failed is None:
        return transport
    transport.close()
    if isinstance(failed, (_OtherHostKeyError, paramiko.ssh_exception.IncompatiblePeer)):
        raise failed
    raise SshUnreachableError(f"{where}: no SSH answer in {timeout_s:.0f} s: {failed}")


def _negotiate(transport: paramiko.Transport, timeout_s: float) -> Exception | None:
    """Exchange keys; return what went wrong."""
    done = threading.Event()
    try:
        transport.start_client(event=done)
    except (OSError, EOFError, paramiko.SSHException) as error:
        return error
    if done.wait(timeout_s) and transport.is_active():
        return None
    return transport.get_exception() or TimeoutError("silence")


def _log_in(
    transport: paramiko.Transport, target: SshTarget, keys: list[paramiko.PKey], deadline: Deadline
) -> None:
    transport.auth_timeout = deadline.left_s()
    for key in keys:
        try:
            transport.auth_publickey(target.user, key)
        except paramiko.AuthenticationException:
            if not transport.is_active():
                break
        if transport.is_authenticated():
            return
    if deadline.has_passed():
        raise SshUnreachableError(f"{target.name}: no answer to the login in time")
    offered = ", ".join(target.key_files) or "there is none to offer"
    raise SshAuthenticationError(f"{target.name}: refuses the key of {target.user} ({offered})")


def _load_key(path: str) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(Path(path))
    except (OSError, ValueError, paramiko.SSHException) as error:
        raise ConfigError(f"SSH key {path} cannot be used: {error}") from error


@contextmanager
def _watched(transport: paramiko.Transport, deadline: Deadline) -> Iterator[None]:
    """Close the transport from outside when time is up: some of its waits know no timeout."""
    watchdog = threading.Timer(deadline.left_s(), transport.close)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise SshUnreachableError(f"{name}: {error or type(error).__name__}") from error
