"""The load balancer as a process, on real Kafka and a real sshd."""

import itertools
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager

from common.bus.kafka import KafkaBus
from common.bus.receive import Receiver
from common.messages import NODE_LOADS, NODES, NodeChanged, NodeState, encode, fixed_topics
from load_balancer.domain.probe import SAMPLER_SCRIPT
from tests.contract.sshd import sshd
from tests.support import hostile, servers
from tests.support.clients import kafka_config, now, resident_mb


@contextmanager
def balancer(kafka, folder, machines, login):
    (folder / "platform.json").write_text(json.dumps({"machines": machines}))
    environment = {
        "PATH": os.environ["PATH"], "ROTA_KAFKA_BOOTSTRAP": kafka.address,
        "ROTA_KAFKA_USER": kafka.user, "ROTA_KAFKA_PASSWORD": kafka.password,
        "ROTA_HEALTH_PORT": str(servers.free_port()),
        "ROTA_LOAD_BALANCER_MACHINES_FILE": str(folder / "platform.json"),
        "ROTA_LOAD_BALANCER_KEY_FILE": login.key(), "ROTA_LOAD_BALANCER_USER": login.user,
    }  # fmt: skip
    with (folder / "balancer.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "load_balancer"], env=environment,
                                   cwd=servers.REPOSITORY, stdout=log, stderr=log)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def node(name):
    return NodeChanged(node_id=name, state=NodeState.ACTIVE, revision=1, boot_id="b", address="a",
                       log_port=1, cpus=1, memory_bytes=1, since=now())


def test_loads_of_good_machines_come_every_two_seconds_whatever_the_bad_ones_do(
    kafka_server, tmp_path
):
    script = tmp_path / "sampler"
    script.write_text(SAMPLER_SCRIPT)
    bus = KafkaBus(kafka_config(kafka_server), "test")
    bus.create_topics(fixed_topics())
    producer, heard = bus.producer(), []
    loads = Receiver(bus, producer, None, NODE_LOADS,
                     lambda batch: heard.extend(one.message for one in batch))
    with sshd(f"ForceCommand sh {script}") as server, \
            hostile.peer_that(hostile.be_silent) as silent_port:
        reached = {"address": "127.0.0.1", "host_key": server.fingerprint()}
        machines = [
            {"name": "good", "ssh_port": server.port, **reached},
            {"name": "silent", "ssh_port": silent_port, **reached},
            {"name": "here", "local": True, "address": "127.0.0.1"},
        ]
        for machine in machines:
            producer.send(NODES, machine["name"], encode(node(machine["name"]))).wait(10)
        with balancer(kafka_server, tmp_path, machines, server) as process:
            until = time.monotonic() + 20
            while time.monotonic() < until:
                loads.run_once(0.2)
            megabytes = resident_mb(process)
            process.terminate()
            assert process.wait(30) == 0
    of = {m["name"]: [load for load in heard if load.node_id == m["name"]] for m in machines}
    for name in ("good", "here"):
        sampled = [load for load in of[name] if load.load is not None]
        gaps = [(b.sampled_at - a.sampled_at).total_seconds()
                for a, b in itertools.pairwise(sampled)]
        assert len(sampled) >= 5
        assert max(gaps) < 3, gaps
    assert of["silent"]
    assert all(load.load is None and load.error for load in of["silent"])
    assert megabytes < 100
    loads.close()
    producer.close()
    bus.close()
