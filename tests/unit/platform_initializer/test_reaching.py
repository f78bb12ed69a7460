from common.ssh.memory import MemoryConnection, MemoryDoor, MemoryMachine
from platform_initializer.domain.description import Description, SshLogin
from platform_initializer.errors import folded
from platform_initializer.gather import reach
from platform_initializer.host import Host
from platform_initializer.machines import Machine


def test_a_login_that_all_machines_refuse_is_told_once(tmp_path):
    door, login = MemoryDoor(), SshLogin("deploy")
    machines = [Machine(f"m{n}", f"10.0.0.{n}", login, "SHA256:memory") for n in (1, 2)]
    for machine in machines:
        door.add(machine.address).users = {"root"}
    description = Description("test", tmp_path, tmp_path / "secrets.json")
    [(names, failure)] = folded(reach(machines, description, door).failures)
    assert names == ("m1", "m2")
    assert failure.why == "refuses the key of deploy"
    assert "authorized_keys" in (failure.next_step or "")


class Noting(MemoryConnection):
    """Notes how long each command was given."""

    def __init__(self, machine):
        super().__init__(machine)
        self.given_s = []

    def run(self, argv, stdin=b"", timeout_s=30.0):
        self.given_s.append(timeout_s)
        return super().run(argv, stdin, timeout_s)


def test_a_slow_machine_gets_more_time_for_everything():
    machine = MemoryMachine("SHA256:k")
    machine.reply("sh")
    connection = Noting(machine)
    Host("m1", connection, 12.0).command("looking", ["true"], 60.0)
    Host("m1", connection).command("looking", ["true"], 60.0)
    assert connection.given_s == [720.0, 60.0]
