"""B7 due → running: how late after its due time a container runs, and how soon after its stop time
it is gone; against `docker run -d`, and against the raw Docker socket.

All `size` containers are due in one instant. Ours: the platform client as a process on a real
Kafka. Hints come ahead, so that it has created before; the starts are sent at the due instant, as
the deployment manager sends them: its own placing and the scheduler's firing are not in it. Limit:
create and start over the raw socket, begun at the due instant, by the best of several numbers of
threads. Peers: `docker run -d` one after the other, and 8 at a time. Time truth is Docker's own
`StartedAt` and `FinishedAt`. Arms in turn; the median of the arms' p50 is told.
"""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import docker

from common.messages import PrepareContainer, encode, node_commands
from node_manager.client.domain.container import Owner, Policy, plan_container
from node_manager.client.engine.docker_engine import DockerEngine
from node_manager.client.engine.translate import host_options, instant_of
from tests.support import servers
from tests.support.clients import (
    ClientProcess,
    Listener,
    client_on,
    inspect,
    now,
    remove_containers_of,
    start_of,
)

SIZE = 200
ARMS = 3  # an arm waits out its due time, stop time and peers: over half a minute at size 20
TRIAL = 8  # containers by which the number of threads is chosen
GRACE_S = 10
THREADS = (2, 4, 8)
SOCKET = "/var/run/docker.sock"
Times = list[float]


def run(size: int) -> dict[str, Any]:
    """Measure; `size` is the number of containers due in one instant."""
    servers.ensure_image("demo-app")
    _make_network()
    with (
        servers.kafka() as server,
        tempfile.TemporaryDirectory() as folder,
        client_on(server, Path(folder)) as (client, listener),
    ):
        client.start()
        listener.wait(lambda: listener.beats and listener.beats[-1].docker_ok)
        trial = min(size, TRIAL)
        threads = min(THREADS, key=lambda count: statistics.median(_raw(trial, count)))
        _tell(f"the limit is taken with {threads} threads")
        arms = [_arm(client, listener, size, threads) for _ in range(ARMS)]
    return _outcome(size, threads, arms)


def _arm(client: ClientProcess, listener: Listener, size: int, threads: int) -> dict[str, Times]:
    started, stopped = _ours(client, listener, size)
    _tell(f"ours: {statistics.median(started):.3f} s p50")
    arm = {
        "ours": started,
        "stopped": stopped,
        "limit": _raw(size, threads),
        "docker run": _docker_run(size, 1),
        "docker run, 8 at a time": _docker_run(size, 8),
    }
    _tell(f"arm done, limit: {statistics.median(arm['limit']):.3f} s p50")
    return arm


def _tell(words: str) -> None:
    """Show that it goes on, and what is there so far should somebody cut it short."""
    print(f"b7: {words}", file=sys.stderr, flush=True)


def _outcome(size: int, threads: int, arms: Sequence[dict[str, Times]]) -> dict[str, Any]:
    def p50(arm: str) -> Times:
        return [statistics.median(one[arm]) for one in arms]

    ours, limit = statistics.median(p50("ours")), statistics.median(p50("limit"))
    stopped = sorted(late for one in arms for late in one["stopped"])
    return {
        "id": "b7", "size": size, "ours": ours, "limit": limit, "ratio_to_limit": ours / limit,
        "unit": "s from the due time to running, p50 (less is better)",
        "spread": [min(p50("ours")), max(p50("ours"))],
        "limit_spread": [min(p50("limit")), max(p50("limit"))],
        "limit_threads": threads,
        "earliest_start_s": min(min(one["ours"]) for one in arms),
        "last_start_s": statistics.median(max(one["ours"]) for one in arms),
        "stop_p50_s": statistics.median(stopped),
        "stop_p99_s": stopped[int(0.99 * (len(stopped) - 1))],
        "grace_s": GRACE_S,
        "peers": {name: statistics.median(p50(name))
                  for name in ("docker run", "docker run, 8 at a time")},
    }  # fmt: skip


def _ours(client: ClientProcess, listener: Listener, size: int) -> tuple[Times, Times]:
    due = now() + timedelta(seconds=5 + size / 10)
    stop_at = due + timedelta(seconds=5 + size / 4)
    jobs = [f"bench-{secrets.token_hex(4)}.20261123T080000Z.0" for _ in range(size)]
    commands = [
        start_of(client.node_id, job, "forever", due=due, stop_at=stop_at,
                 spec={"grace_s": GRACE_S, "memory_bytes": 16 << 20})
        for job in jobs
    ]  # fmt: skip
    for command in commands:
        listener.send(client.node_id, PrepareContainer(
            node_id=client.node_id, job_id=command.job_id, start=command, creates=True,
            keep_until=stop_at))  # fmt: skip
    time.sleep(max(0.0, (due - now()).total_seconds()))
    topic = node_commands(client.node_id)
    for sent in [listener.producer.send(topic, one.job_id, encode(one)) for one in commands]:
        sent.wait(10)
    ends: dict[str, Any] = {}
    wanted = set(jobs)

    def are_over() -> bool:
        ends.update((e.job_id, e) for e in listener.events if e.state == "EXITED")
        return wanted <= ends.keys()

    listener.wait(are_over, (stop_at - now()).total_seconds() + GRACE_S + 60 + size)
    starts = [(ends[job].started_at - due).total_seconds() for job in jobs]
    stops = [(ends[job].ended_at - stop_at).total_seconds() for job in jobs]
    remove_containers_of(client.node_id)
    listener.events.clear()
    return starts, stops


def _raw(size: int, threads: int) -> Times:
    """Create and start over the raw socket, all due now."""
    owner = Owner("bench", f"bench-{secrets.token_hex(4)}")
    api = docker.APIClient(base_url=f"unix://{SOCKET}", version="auto")
    bodies = {}
    for number in range(size):
        start = start_of(owner.node_id, f"{owner.node_id}-{number}.0", "forever",
                         spec={"memory_bytes": 16 << 20})
        plan = plan_container(start, owner, Policy())
        config = api.create_container_config(
            plan.image, command=list(plan.command), environment=plan.environment,
            labels=plan.labels, user=plan.relaxation.user,
            host_config=api.create_host_config(**host_options(plan, 0)))  # fmt: skip
        bodies[plan.name] = json.dumps(config).encode()

    def start_one(name: str) -> None:
        connection = _Unix()
        _post(connection, f"/containers/create?name={name}", bodies[name])
        _post(connection, f"/containers/{name}/start", b"")
        connection.close()

    try:
        return _started(list(bodies), threads, start_one)
    finally:
        api.close()
        remove_containers_of(owner.node_id)


def _docker_run(size: int, threads: int) -> Times:
    """Start by the command line, with the same limits."""
    node_id = f"bench-{secrets.token_hex(4)}"
    docker_path = shutil.which("docker") or "docker"

    def start_one(name: str) -> None:
        subprocess.run(
            [docker_path, "run", "-d", "--name", name, "--label", f"io.rota.node={node_id}",
             "--init", "--network", "rota-apps", "--user", "65534:65534", "--cap-drop", "ALL",
             "--security-opt", "no-new-privileges", "--read-only", "--tmpfs", "/tmp",  # noqa: S108
             "--pids-limit", "256", "--memory", "16m", "--cpus", "1", "rota/demo-app:dev",
             "forever"], check=True, capture_output=True)  # fmt: skip

    try:
        return _started([f"rota-{node_id}-{number}" for number in range(size)], threads, start_one)
    finally:
        remove_containers_of(node_id)


def _started(names: Sequence[str], threads: int, start_one: Callable[[str], None]) -> Times:
    """Start all from now on; return each one's lateness as Docker tells it."""
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        began = datetime.now(UTC)  # noqa: TID251 - a measurement of real time
        list(pool.map(start_one, names))
    moments = [instant_of(inspect(name)["State"]["StartedAt"]) for name in names]
    return [(moment - began).total_seconds() for moment in moments if moment is not None]


class _Unix(http.client.HTTPConnection):
    def __init__(self) -> None:
        super().__init__("localhost")

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(SOCKET)


def _post(connection: _Unix, path: str, body: bytes) -> None:
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    words = answer.read()
    if answer.status >= 300:
        raise RuntimeError(f"{path}: {answer.status} {words!r}")


def _make_network() -> None:
    """Have the client's door make the bridge, so that no arm pays for it."""
    owner = Owner("bench", f"bench-{secrets.token_hex(4)}")
    engine = DockerEngine(owner)
    start = start_of(owner.node_id, f"{owner.node_id}.0", "run", "0")
    plan = plan_container(start, owner, Policy())
    engine.create(plan)
    engine.start(plan.name)
    time.sleep(0.5)
    engine.close()
    remove_containers_of(owner.node_id)
