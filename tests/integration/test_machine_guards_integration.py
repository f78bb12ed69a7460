"""The firewall and the watchdog on a machine of its own, installed as the initializer does it."""

import subprocess
from datetime import timedelta

import pytest

from node_manager.client import firewall, watchdog
from node_manager.client.engine.docker_engine import DockerEngine
from platform_initializer.steps import guards
from tests.support import servers
from tests.support.clients import now
from tests.support.containers import Containers
from tests.support.machines import docker_machine

pytestmark = pytest.mark.patient

METADATA = "169.254.169.254"


class Jobs(Containers):
    """Jobs on that machine, as its client would make them."""

    def __init__(self, machine):
        super().__init__(lambda owner: DockerEngine(owner, machine.socket))

    def reached(self, **targets):
        """Return the targets that an application reaches."""
        name = self.start("attack", *(
            f"{target}={address}" for target, address in targets.items()),
            image="rota/probe:dev", spec={"memory_bytes": 256 << 20})
        self.wait(name)
        output = self.output(name)
        assert output.count("reaches") == len(targets)
        return {line.split()[-1] for line in output.splitlines() if "SUCCEEDED reaches" in line}


@pytest.fixture(scope="module")
def machine():
    servers.ensure_image("probe")
    servers.ensure_image("demo-app")
    with docker_machine("rota/probe:dev", "rota/demo-app:dev") as made:
        made.run("ip", "addr", "add", f"{METADATA}/32", "dev", "lo")
        yield made


@pytest.fixture(scope="module")
def jobs(machine):
    made = Jobs(machine)
    yield made
    made.engine.close()


def address_of(container):
    return subprocess.run(
        ["docker", "inspect", "-f", "{{.NetworkSettings.IPAddress}}", container], check=True,
        capture_output=True, text=True).stdout.strip()


def test_no_way_from_an_app_to_the_platform(machine, jobs, kafka_server, mysql_server):
    kafka, mysql = address_of(kafka_server.container), address_of(mysql_server.container)
    neighbour = jobs.start("forever")
    inside = machine.run("docker", "inspect", "-f",
                         '{{(index .NetworkSettings.Networks "rota-apps").IPAddress}}', neighbour)
    gateway = machine.run("docker", "network", "inspect", "-f",
                          "{{(index .IPAM.Config 0).Gateway}}", "rota-apps")
    targets = {
        "sshd": f"{machine.address}:22", "sshd-by-gateway": f"{gateway}:22",
        "metadata": f"{METADATA}:80", "kafka": f"{kafka}:9092", "mysql": f"{mysql}:3306",
        "neighbour": f"{inside}:80",
    }
    assert jobs.reached(**targets) == {"sshd", "sshd-by-gateway", "metadata", "kafka", "mysql"}

    platform = [machine.address, mysql]
    machine.install(firewall.files_to_install(platform), firewall.commands_after_files())
    assert jobs.reached(**targets) == {"kafka"}  # not of the platform: as good as a sensor

    machine.install(firewall.files_to_install([*platform, kafka]), firewall.commands_after_files())
    assert jobs.reached(**targets) == set()

    rules = machine.run("iptables-save", "-t", "filter")
    machine.run("systemctl", "restart", "docker")
    del targets["neighbour"]  # it ended with Docker
    assert jobs.reached(**targets) == set()
    again = machine.run("iptables-save", "-t", "filter")
    for chain in ("ROTA-APPS", "ROTA-HOST"):
        assert again.count(f"-j {chain}") == rules.count(f"-j {chain}") == 1

    machine.run("sh", "-euc", guards.REMOVE)
    assert "ROTA" not in machine.run("iptables-save", "-t", "filter")


def test_a_line_that_is_no_address_changes_nothing(machine):
    machine.install(firewall.files_to_install(["192.0.2.1"]), firewall.commands_after_files())
    before = machine.run("iptables", "-S", "ROTA-APPS")
    with pytest.raises(AssertionError, match="not an address"):
        machine.install(firewall.files_to_install(["$(reboot)"]), firewall.commands_after_files())
    assert machine.run("iptables", "-S", "ROTA-APPS") == before
    assert "192.0.2.1/32" in before


def test_the_watchdog_unit_keeps_deadlines_with_no_client(machine, jobs):
    machine.install(watchdog.files_to_install(), watchdog.commands_after_files())
    assert machine.run("systemctl", "is-enabled", watchdog.UNIT) == "enabled"
    stop_at = now() + timedelta(seconds=8)
    name = jobs.start("forever", stop_at=stop_at)
    late = jobs.wait(name).ended_at - stop_at
    assert timedelta(0) <= late <= timedelta(seconds=2.5)
    assert machine.shell(f"test -f /run/rota-client/{watchdog.ALIVE} && stat -c %u /run/rota-client") == "10001"


def test_the_watchdog_outlives_a_restart_of_docker_and_its_own_death(machine, jobs):
    machine.install(watchdog.files_to_install(), watchdog.commands_after_files())
    machine.run("systemctl", "kill", "-s", "KILL", watchdog.UNIT)
    machine.run("systemctl", "restart", "docker")
    stop_at = now() + timedelta(seconds=8)
    name = jobs.start("forever", stop_at=stop_at)
    assert jobs.wait(name).ended_at - stop_at <= timedelta(seconds=2.5)
    machine.run("sh", "-euc", guards.REMOVE)
    assert not machine.shell("ls /etc/systemd/system | grep rota-watchdog || true")
