from common.ssh.memory import MemoryDoor
from platform_initializer.domain.description import Description, SshLogin
from platform_initializer.errors import folded
from platform_initializer.gather import reach
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
