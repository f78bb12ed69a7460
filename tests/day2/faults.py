"""Faults that an operator meets, each put on a real machine by hand and taken away again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.day2.operator import Operator

SQUAT = ("docker run -d --rm --name squatter-{port} --network host --entrypoint python3 rota/services:dev"
         " -m http.server {port} --bind {address} > /dev/null")  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """What `doctor` is to call it, where it is (m1 has the stores), how it comes and goes.

    `undo` is empty where `rota platform up` is to put it right.
    """

    code: str
    machine: str
    seed: str
    undo: str = ""


FAULTS = (
    Fault("S402", "m2", "docker stop -t 5 rota-scheduler"),
    Fault("S401", "m2", "docker rm -f rota-client"),
    Fault("N301", "m2", SQUAT.format(port=7110, address="127.0.0.1"), "docker rm -f squatter-7110"),
    Fault("N304", "m2", SQUAT.format(port=9092, address="0.0.0.0"), "docker rm -f squatter-9092"),
    Fault("S408", "m2", "docker run -d --name orphan --label io.rota.platform=day2 --label io.rota.job=x"
          " --entrypoint sleep rota/services:dev 600", "docker rm -f orphan"),
    Fault("D203", "m2", "systemctl disable docker", "systemctl enable docker"),
    Fault("F502", "m1", "rm /etc/rota/platform.json"),
    Fault("F501", "m1", "chmod 644 /etc/rota/secrets/client/client_token"),
    Fault("F504", "m1", "chmod 666 /var/lib/rota-sampler/.ssh/authorized_keys"),
    Fault("F503", "m1", "userdel -f rota-sampler"),
    Fault("S409", "m1", "systemctl stop rota-watchdog.service"),
    Fault("S410", "m1", "iptables -F ROTA-HOST"),
    Fault("N302", "m2", "iptables -I OUTPUT -p tcp --dport 9092 -d {m1} -j DROP",
          "iptables -D OUTPUT -p tcp --dport 9092 -d {m1} -j DROP"),
    Fault("N303", "m2", "iptables -I OUTPUT -p tcp --dport 3306 -d {m1} -j REJECT --reject-with tcp-reset",
          "iptables -D OUTPUT -p tcp --dport 3306 -d {m1} -j REJECT --reject-with tcp-reset"),
    Fault("S405", "m1", "docker exec -u 0 rota-mysql mv /opt/mysql/healthcheck.sh /opt/mysql/kept.sh;"
          " for n in $(seq 60); do docker inspect -f '{{.State.Health.Status}}' rota-mysql |"
          " grep -q unhealthy && exit 0; sleep 1; done; exit 1",
          "docker exec -u 0 rota-mysql mv /opt/mysql/kept.sh /opt/mysql/healthcheck.sh;"
          " for n in $(seq 60); do docker inspect -f '{{.State.Health.Status}}' rota-mysql |"
          " grep -q '^healthy' && exit 0; sleep 1; done; exit 1"),
    Fault("D205", "m1", "docker create --name rota-load-balancer rota/services:dev",
          "docker rm rota-load-balancer"),
)  # fmt: skip
# Each of these hides what else is on its machine, so each is looked at alone.
ALONE = (
    # Docker's socket is made anew by that, and the client holds the old one until it is restarted.
    Fault("D201", "m2", "systemctl stop docker.socket docker",
          "systemctl start docker.socket docker; docker restart rota-client"),
    Fault("R004", "m2", "mv /etc/sudoers.d/deploy /root/deploy", "mv /root/deploy /etc/sudoers.d/deploy"),
    Fault("R003", "m2", "mv /home/deploy/.ssh /home/deploy/.away", "mv /home/deploy/.away /home/deploy/.ssh"),
    Fault("M112", "m2", "cp /etc/machine-id /root/id; echo {id} > /etc/machine-id",
          "cat /root/id > /etc/machine-id"),
    Fault("R001", "m2", "systemctl stop ssh.socket ssh 2> /dev/null || systemctl stop ssh",
          "systemctl start ssh"),
)  # fmt: skip


@contextmanager
def seeded(operator: Operator, faults: tuple[Fault, ...]) -> Iterator[None]:
    """Put the faults on the machines; take away what `up` is not to mend."""
    there: list[Fault] = []
    try:
        for fault in faults:
            operator.on_machine(fault.machine, "sh", "-c", _filled(operator, fault.seed))
            there.append(fault)
        yield
    finally:
        for fault in reversed(there):
            if fault.undo:
                operator.on_machine(fault.machine, "sh", "-c", _filled(operator, fault.undo))


def _filled(operator: Operator, script: str) -> str:
    script = script.replace("{m1}", operator.address("m1"))
    if "{id}" in script:
        script = script.replace("{id}", operator.on_machine("m1", "cat", "/etc/machine-id").strip())
    return script
