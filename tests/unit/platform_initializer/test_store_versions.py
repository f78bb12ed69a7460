"""A store's server is never replaced by an older one."""

import pytest

from common.ssh import SshResult
from common.ssh.memory import MemoryConnection, MemoryMachine
from platform_initializer.errors import MachineError
from platform_initializer.host import Host
from platform_initializer.steps.store_versions import refuse_older, version_of

MYSQL = "/usr/sbin/mysqld  Ver {} for Linux on x86_64 ((Debian)) "


@pytest.mark.parametrize(("said", "version"), [
    (MYSQL.format("9.7.4-2"), (9, 7, 4)), ("jline-3.jar kafka_2.13-4.1.1.jar x.jar ", (4, 1, 1)),
    ("mysqld  Ver 10.11.6-MariaDB for debian", (10, 11, 6)), ("", None), ("lib a.jar", None),
])
def test_versions_are_read_from_what_the_images_say(said, version):
    assert version_of(said) == version


def host_that_says(*lines):
    machine = MemoryMachine("k")
    machine.play("sh", answer=lambda argv, stdin: SshResult(0, "\n".join(lines).encode(), b""))
    return machine, Host("m1", MemoryConnection(machine))


def test_an_older_one_is_refused_and_a_newer_one_is_not():
    _, host = host_that_says(MYSQL.format("9.7.4-2"), MYSQL.format("8.4.0"))
    with pytest.raises(MachineError, match=r"9\.7\.4 runs there, 8\.4\.0 is older"):
        refuse_older(host, "mysql", "a", "b")
    _, host = host_that_says(MYSQL.format("9.7.4-2"), MYSQL.format("9.10.0"))
    refuse_older(host, "mysql", "a", "b")


def test_the_same_image_is_not_even_asked_and_a_silent_one_is_let_be():
    machine, host = host_that_says()
    refuse_older(host, "mysql", "a", "a")
    assert machine.calls == []
    refuse_older(host, "mysql", "a", "b")
