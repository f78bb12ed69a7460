"""What only a real sshd can show of the SSH door: files, deadlines, streams, keys, dead peers."""

import os
import socket
import stat
import threading
import time
from dataclasses import replace

import pytest

from common.ssh import (
    HostKeyError,
    SshAuthenticationError,
    SshCommandError,
    SshTarget,
    SshTimeoutError,
    SshUnreachableError,
)
from common.ssh.paramiko_door import ParamikoDoor
from tests.contract.sshd import sshd


@pytest.fixture(scope="module")
def server():
    with sshd() as running:
        yield running


@pytest.fixture
def target(server):
    return SshTarget("m1", "127.0.0.1", server.user, server.fingerprint(), server.port,
                     (server.key(),))


@pytest.fixture
def connection(target):
    made = ParamikoDoor().connect(target)
    yield made
    made.close()


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_every_kind_of_user_key_logs_in(server, target, kind):
    connection = ParamikoDoor().connect(replace(target, key_files=(server.key(kind),)))
    assert connection.run(["true"]).exit_code == 0
    connection.close()


def test_any_of_the_machines_host_keys_may_be_pinned(server, target):
    ParamikoDoor().connect(replace(target, host_key=server.fingerprint("rsa"))).close()


def test_a_wrong_host_key_sends_no_credential(server, target):
    before = len((server.folder / "log").read_text())
    with pytest.raises(HostKeyError):
        ParamikoDoor().connect(replace(target, host_key="SHA256:" + "A" * 43))
    log = (server.folder / "log").read_text()[before:]
    assert "Accepted" not in log
    assert "Failed publickey" not in log


def test_a_refused_key_is_told_as_such(server, target, tmp_path):
    import subprocess

    stranger = tmp_path / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger], check=True)
    with pytest.raises(SshAuthenticationError, match="refuses the key"):
        ParamikoDoor().connect(replace(target, key_files=(str(stranger),)))


def test_a_command_that_does_not_end_is_cut_off_and_the_connection_lives(connection):
    for argv in (["sleep", "60"], ["sh", "-c", "while :; do echo x; sleep 0.1; done"], ["yes"]):
        began = time.monotonic()
        with pytest.raises(SshTimeoutError):
            connection.run(argv, timeout_s=1)
        assert time.monotonic() - began < 2
    assert connection.run(["true"]).exit_code == 0


def test_large_payloads_flow_both_ways_at_once(connection):
    payload = os.urandom(8_000_000)
    script = "cat; head -c 4000000 /dev/zero >&2"
    result = connection.run(["sh", "-c", script], payload, timeout_s=60)
    assert result.stdout == payload
    assert len(result.stderr) == 4_000_000


def test_a_command_that_ends_without_reading_its_stdin_is_no_error(connection):
    result = connection.run(["head", "-c", "1"], (b"x" * 65536 for _ in range(500)))
    assert (result.exit_code, result.stdout) == (0, b"x")


def test_what_stdin_raises_comes_through_at_once(connection):
    def broken():
        yield b"x"
        raise OSError("disk")

    began = time.monotonic()
    with pytest.raises(OSError, match="disk"):
        connection.run(["cat"], broken(), timeout_s=20)
    assert time.monotonic() - began < 5
    assert connection.run(["true"]).exit_code == 0


def test_put_writes_whole_files_with_their_mode(connection, tmp_path):
    path = tmp_path / "a folder" / "it's"
    path.parent.mkdir()
    path.write_bytes(b"old")
    connection.put(b"new" * 100_000, str(path), 0o600)
    assert path.read_bytes() == b"new" * 100_000
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["it's"]


def test_a_failed_put_leaves_nothing_and_names_the_reason(connection, tmp_path):
    with pytest.raises(SshCommandError, match="No such file"):
        connection.put(b"x", str(tmp_path / "none" / "file"))
    full = tmp_path / "dir"
    full.mkdir()
    with pytest.raises(SshCommandError):
        connection.put(b"x", str(full))
    assert list(tmp_path.iterdir()) == [full]
    assert list(full.iterdir()) == []


def test_a_stream_answers_line_by_line(connection):
    stream = connection.stream(["cat"])
    for word in (b"one\n", b"two\n"):
        stream.write(word)
        assert stream.read_until(b"\n", 5) == word
    with pytest.raises(SshTimeoutError):
        stream.read_until(b"\n", 0.3)
    stream.write(b"x" * 100_000)
    with pytest.raises(SshUnreachableError, match="without an end"):
        stream.read_until(b"\n", 5, limit=1000)
    stream.close()


def test_a_stream_whose_command_ended_is_unreachable(connection):
    stream = connection.stream(["true"])
    with pytest.raises(SshUnreachableError):
        stream.read_until(b"\n", 5)
    stream.close()


def test_an_empty_command_runs_the_forced_one(target):
    with sshd("ForceCommand cat /proc/loadavg") as forced:
        pinned = replace(target, port=forced.port, host_key=forced.fingerprint(),
                         key_files=(forced.key(),))
        connection = ParamikoDoor().connect(pinned)
        stream = connection.stream([])
        assert stream.read_until(b"\n", 5).count(b" ") == 4
        connection.close()


def test_more_than_eight_calls_at_once_wait_for_a_place(connection):
    began, threads = time.monotonic(), []
    for _ in range(12):
        threads.append(threading.Thread(target=connection.run, args=[["sleep", "0.5"]]))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert 1.0 <= time.monotonic() - began < 5
    streams = [connection.stream(["cat"]) for _ in range(8)]
    with pytest.raises(SshTimeoutError):
        connection.run(["true"], timeout_s=0.3)
    for stream in streams:
        stream.close()
    assert connection.run(["true"]).exit_code == 0


def serve_silence(answer=b""):
    """A peer that accepts and says (almost) nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    kept = []

    def accept():
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            peer.sendall(answer)
            kept.append(peer)

    threading.Thread(target=accept, daemon=True).start()
    return listener


@pytest.mark.parametrize("answer", [b"", b"S", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n"])
def test_a_peer_that_accepts_and_is_silent_is_given_up_in_time(target, answer):
    listener = serve_silence(answer)
    port = listener.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(SshUnreachableError):
        ParamikoDoor().connect(replace(target, port=port), timeout_s=1.5)
    with pytest.raises(SshUnreachableError):
        ParamikoDoor().scan_host_key("127.0.0.1", port, timeout_s=1.5)
    assert time.monotonic() - began < 5
    listener.close()


def test_a_machine_that_freezes_is_noticed_within_the_deadline(target):
    with sshd() as frozen:
        pinned = replace(target, port=frozen.port, host_key=frozen.fingerprint(),
                         key_files=(frozen.key(),))
        relay = Relay(frozen.port)
        connection = ParamikoDoor().connect(replace(pinned, port=relay.port))
        assert connection.run(["true"]).exit_code == 0
        relay.is_frozen = True
        began = time.monotonic()
        with pytest.raises((SshUnreachableError, SshTimeoutError)):
            connection.run(["cat"], (b"x" * 65536 for _ in range(10_000)), timeout_s=1.5)
        assert time.monotonic() - began < 4
        with pytest.raises((SshUnreachableError, SshTimeoutError)):
            connection.run(["true"], timeout_s=1.5)
        assert time.monotonic() - began < 8
        relay.close()


class Relay:
    """Passes bytes on until it is frozen, then swallows nothing and sends nothing."""

    def __init__(self, port):
        self.is_frozen = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._target = port
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        near, _ = self._listener.accept()
        far = socket.create_connection(("127.0.0.1", self._target))
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source, sink):
        try:
            while chunk := source.recv(65536):
                while self.is_frozen:
                    time.sleep(0.05)
                sink.sendall(chunk)
        except OSError:
            pass

    def close(self):
        self._listener.close()
