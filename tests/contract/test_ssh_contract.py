"""What every SSH door promises (common/ssh): scripted machines and a real sshd alike."""

from dataclasses import dataclass, replace

import pytest

from common.ssh import (
    HostKeyError,
    SshCommandError,
    SshResult,
    SshTarget,
    SshUnreachableError,
)
from common.ssh.memory import MemoryDoor
from common.ssh.paramiko_door import ParamikoDoor
from tests.contract.sshd import sshd


@pytest.fixture(scope="module")
def server():
    with sshd() as running:
        yield running


@dataclass
class Way:
    door: object
    target: SshTarget


def scripted():
    door = MemoryDoor()
    machine = door.add("memory")
    machine.play("printf", "%s", answer=lambda argv, _: SshResult(0, argv[2].encode(), b""))
    machine.play("cat", answer=lambda _, stdin: SshResult(0, stdin, b""))
    machine.reply("sh", "-c", "echo out; echo err >&2; exit 3",
                  stdout=b"out\n", stderr=b"err\n", exit_code=3)
    return Way(door, SshTarget("m1", "memory", "root", "SHA256:memory"))


@pytest.fixture(params=["memory", "sshd"])
def way(request):
    if request.param == "memory":
        return scripted()
    server = request.getfixturevalue("server")
    target = SshTarget("m1", "127.0.0.1", server.user, server.fingerprint(), server.port,
                       (server.key(),))
    return Way(ParamikoDoor(), target)


@pytest.fixture
def connection(way):
    made = way.door.connect(way.target)
    yield made
    made.close()


def test_a_command_leaves_its_output_and_exit_code(connection):
    result = connection.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert result == SshResult(3, b"out\n", b"err\n")
    with pytest.raises(SshCommandError, match="exit code 3: err"):
        result.check("trying")


@pytest.mark.parametrize("hostile", ["a b", "$(id)", "`id`", "';rm -rf /'", "a\nb", '"', "*", "é", ""])
def test_arguments_arrive_as_they_are(connection, hostile):
    assert connection.run(["printf", "%s", hostile]).check("printf").stdout == hostile.encode()


def test_stdin_goes_there_and_back(connection):
    assert connection.run(["cat"], b"hello").stdout == b"hello"
    assert connection.run(["cat"], iter([b"a", b"b" * 100_000])).stdout == b"a" + b"b" * 100_000
    assert connection.run(["cat"]).stdout == b""


def test_an_unpinned_host_is_refused(way):
    with pytest.raises(HostKeyError):
        way.door.connect(replace(way.target, host_key=None))


def test_another_host_key_is_refused(way):
    with pytest.raises(HostKeyError, match="nothing was sent"):
        way.door.connect(replace(way.target, host_key="SHA256:" + "A" * 43))


def test_a_scan_learns_the_key_that_is_then_pinned(way):
    assert way.door.scan_host_key(way.target.host, way.target.port) == way.target.host_key


def test_a_machine_that_is_not_there_is_unreachable(way):
    with pytest.raises(SshUnreachableError):
        way.door.connect(replace(way.target, port=1))
    with pytest.raises(SshUnreachableError):
        way.door.scan_host_key(way.target.host, 1)


def test_after_close_calls_fail(connection):
    connection.close()
    with pytest.raises(SshUnreachableError):
        connection.run(["cat"])
