"""The files and commands that put watchdog and firewall on a machine."""

import subprocess

import pytest

from node_manager.client import firewall, watchdog
from node_manager.client.domain.container import NETWORK
from node_manager.client.engine.translate import is_made_meanwhile, network_options
from platform_initializer.steps import guards


def content_of(files, path):
    (found,) = [file.content for file in files if file.path == path]
    return found


def test_the_addresses_are_one_a_line_sorted_and_once():
    files = firewall.files_to_install(["192.0.2.2", "192.0.2.1", "192.0.2.2"])
    assert content_of(files, firewall.ADDRESSES).splitlines()[1:] == ["192.0.2.1", "192.0.2.2"]


def test_the_firewall_knows_the_bridge_that_the_client_makes():
    script = content_of(firewall.files_to_install([]), "/usr/local/lib/rota/firewall.sh")
    assert f"BRIDGE={NETWORK}\n" in script
    assert network_options(NETWORK)["com.docker.network.bridge.name"] == firewall.BRIDGE
    assert len(NETWORK) <= 15  # the kernel's limit of an interface's name
    assert "com.docker.network.bridge.name" not in network_options("another-network")


@pytest.mark.parametrize("package", [
    (firewall.files_to_install([]), firewall), (watchdog.files_to_install(), watchdog)])
def test_units_run_the_scripts_that_are_installed(package):
    files, module = package
    paths = {file.path for file in files}
    unit = content_of(files, f"/etc/systemd/system/{module.UNIT}")
    runs = [line.split()[1] for line in unit.splitlines() if line.startswith("Exec")]
    assert runs
    assert set(runs) <= paths
    assert ["systemctl", "enable", module.UNIT] in module.commands_after_files()
    assert paths <= set(guards.REMOVE.split())


@pytest.mark.parametrize("files", [firewall.files_to_install([]), watchdog.files_to_install()])
def test_scripts_are_sound_posix_shell(files):
    for file in files:
        if file.path.endswith(".sh"):
            subprocess.run(["sh", "-n"], input=file.content.encode(), check=True)


def test_a_stop_of_the_unit_leaves_the_rules_for_apps_that_go_on():
    unit = content_of(firewall.files_to_install([]), f"/etc/systemd/system/{firewall.UNIT}")
    assert "ExecStop" not in unit
    assert "/bin/sh /usr/local/lib/rota/firewall.sh remove" in guards.REMOVE


@pytest.mark.parametrize("uid", [0, 10001])
def test_the_run_folder_is_that_of_the_clients_user(uid):
    line = content_of(watchdog.files_to_install(uid), "/usr/lib/tmpfiles.d/rota.conf").splitlines()[-1]
    assert line == f"d /run/rota-client 0755 {uid} {uid} -"


def test_the_watchdog_starts_without_client_and_stays_without_docker():
    unit = content_of(watchdog.files_to_install(), f"/etc/systemd/system/{watchdog.UNIT}")
    assert "Restart=always" in unit
    assert "StartLimitIntervalSec=0" in unit
    assert not [line for line in unit.splitlines()
                if line.startswith(("Requires", "BindsTo", "PartOf"))]


def test_a_network_that_two_first_jobs_make_at_once_is_no_refusal():
    told = ("cannot create network 9dbb (rota-apps): conflicts with network ae11 (rota-apps):"
            " networks have same bridge name")
    assert is_made_meanwhile(told)
    assert not is_made_meanwhile("could not find an available, non-overlapping IPv4 address pool")
