"""`up` before anything is changed: what cannot be used is named, the others are prepared."""

from dataclasses import replace
from pathlib import Path

import pytest

from common.ssh import SshResult
from common.ssh.memory import MemoryDoor
from platform_initializer import up as module
from platform_initializer.domain.description import Description, MachineEntry, SshLogin
from platform_initializer.errors import LockHeldError, PartlyDoneError
from platform_initializer.local_images import OURS, LocalImage
from tests.unit.platform_initializer.test_convergence import Silent

FACTS = """\
clock 1
os debian 12
machine_id {name}
cpus 2
memory_kib 4194304
disk_free_kib {disk}
packager apt
init systemd
end yes
"""


class Fleet:
    """Machines whose facts a test chooses; `installed` names those that were prepared."""

    def __init__(self, folder: Path) -> None:
        self.door = MemoryDoor()
        self.installed: list[str] = []
        self.machines = {}
        entries = []
        for name, address in (("m1", "10.0.0.1"), ("m2", "10.0.0.2"), ("m3", "10.0.0.3")):
            self.machines[name] = self.door.add(address, host_key=f"SHA256:{name}")
            self.answer(name)
            entries.append(MachineEntry(name, address, SshLogin("deploy"), f"SHA256:{name}"))
        self.description = Description(
            "test", folder, folder / "secrets.json", machines=tuple(entries)
        )

    def answer(self, name: str, disk: int = 40 << 20, sudo: str | None = None) -> None:
        machine = self.machines[name]
        machine.stream_with(lambda _: b"held\n")

        def play(argv, stdin):
            if sudo is not None:
                return SshResult(1, b"", sudo.encode())
            if stdin.startswith(b"# Prints what is true"):
                return SshResult(0, FACTS.format(name=name, disk=disk).encode(), b"")
            if any("Makes a machine able to run containers" in word for word in argv):
                self.installed.append(name)
            return SshResult(0, b"", b"")

        machine.play("sh", answer=play)

    def up(self):
        return module.up(self.description, self.door, Silent())


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    images = {ref: LocalImage(ref, "sha256:" + "1" * 64, 1 << 20) for ref in OURS.values()}
    monkeypatch.setattr(module, "find_images", lambda references: dict(images))
    return Fleet(tmp_path)


def failures(fleet):
    with pytest.raises(PartlyDoneError) as caught:
        fleet.up()
    return {failure.machine: failure for failure in caught.value.failures}


def test_a_full_disk_is_named_and_the_others_are_prepared(fleet):
    fleet.answer("m2", disk=100 << 10)
    found = failures(fleet)
    assert set(found) == {"m2"}
    assert "are free" in found["m2"].why
    assert "docker system df" in found["m2"].next_step
    assert sorted(fleet.installed) == ["m1", "m3"]


def test_a_changed_host_key_sends_nothing_there(fleet):
    fleet.machines["m3"].host_key = "SHA256:other"
    found = failures(fleet)
    assert "nothing was sent" in found["m3"].why
    assert "ssh-keygen -lf" in found["m3"].next_step
    assert fleet.machines["m3"].calls == []


def test_an_unpinned_machine_shows_its_key_to_be_compared_and_is_sent_nothing(fleet):
    first = replace(fleet.description.machines[0], host_key=None)
    fleet.description = replace(
        fleet.description, machines=(first, *fleet.description.machines[1:])
    )
    found = failures(fleet)
    assert "SHA256:m1" in found["m1"].why
    assert 'host_key: "SHA256:m1"' in found["m1"].next_step
    assert fleet.machines["m1"].calls == []


@pytest.mark.parametrize(("said", "why", "advice"), [
    ("sudo: a password is required", "may not use sudo without a password", "sudoers.d"),
    ("sh: 1: sudo: not found", "sudo is not installed", "log in as root"),
])  # fmt: skip
def test_a_machine_without_sudo_is_told_in_words(fleet, said, why, advice):
    fleet.machines["m1"].stream_with(lambda _: b"held\n")
    fleet.answer("m1", sudo=said)
    found = failures(fleet)
    assert why in found["m1"].why
    assert advice in found["m1"].next_step


def test_a_machine_that_is_down_is_named_with_what_to_look_at(fleet):
    fleet.machines["m1"].is_reachable = False
    found = failures(fleet)
    assert "sshd runs" in found["m1"].next_step


def test_one_machine_under_two_names_is_found(fleet):
    fleet.answer("m1")
    other = fleet.machines["m2"]
    other.play("sh", answer=lambda argv, stdin: SshResult(
        0, FACTS.format(name="m1", disk=40 << 20).encode(), b""))  # fmt: skip
    assert "machine-id of m1" in failures(fleet)["m2"].why


def test_a_held_lock_stops_it_before_anything(fleet):
    fleet.machines["m2"].is_reachable = True
    for machine in fleet.machines.values():
        machine.stream_with(lambda _: b"")
    with pytest.raises((LockHeldError, PartlyDoneError)):
        fleet.up()
    assert fleet.installed == []
