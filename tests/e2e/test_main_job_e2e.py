"""The main job on three machines: started when due on the least loaded one, killed at its stop."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.e2e.platform import MACHINES, TERMINAL, Platform, now, wait_for
from tests.e2e.schedules import IMAGE, once, soon


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def ended(platform: Platform, instance: str, count: int = 1) -> list[dict[str, object]] | None:
    jobs = platform.jobs(instance)
    done = [job for job in jobs if job["state"] in TERMINAL]
    return done if len(done) >= count else None


def test_running_up_again_changes_nothing(platform: Platform) -> None:
    before = platform.json("platform", "status", "-f", str(platform.file))
    began = now()
    again = platform.rota("platform", "up", "-f", str(platform.file))
    took = (now() - began).total_seconds()
    print(f"second up: {took:.1f} s")
    assert "nothing to change" in (again.stdout + again.stderr).lower()
    after = platform.json("platform", "status", "-f", str(platform.file))
    assert _restarts(before) == _restarts(after)


def _restarts(status: dict[str, list[dict[str, object]]]) -> list[tuple[object, ...]]:
    return [(s["machine"], s["service"], s["restarts"]) for s in status["services"]]


def test_a_job_starts_when_due_and_is_killed_at_its_stop_time(platform: Platform) -> None:
    start = soon(4)
    platform.apply(once("stops", start, ["forever"], duration="5s"))
    job = wait_for("the job's end", lambda: ended(platform, "stops"))[0]
    assert (job["state"], job["reason"]) == ("ENDED", "duration")
    assert timedelta(0) <= at(job["started_at"]) - start <= timedelta(seconds=5)
    assert abs(at(job["ended_at"]) - (start + timedelta(seconds=5))) <= timedelta(seconds=12)
    logs = platform.rota("job", "logs", str(job["job_id"])).stdout
    assert "ROTA_INSTANCE=stops" in logs
    assert "event=signal name=TERM" in logs


def test_ids_from_a_plain_producer_are_enough(platform: Platform) -> None:
    bus = platform.admin_bus()
    producer = bus.producer()
    start = soon(6)
    platform.apply(once("plain", start, ["run", "1"]))
    producer.send("app.instances", "plain", b'{"instance_id": "plain"}').wait(10)
    bus.close()
    job = wait_for("the job's end", lambda: ended(platform, "plain"))[0]
    assert (job["state"], job["exit_code"]) == ("SUCCEEDED", 0)


@pytest.fixture
def busy_machines(platform: Platform) -> object:
    """Make the CPU of one machine busy and the RAM of another; the third stays idle.

    RAM goes over its ceiling: below it the harmonic mean hides a machine that is full but idle.
    """
    cpu, ram, idle = MACHINES
    burn = ("docker", "run", "-d", "--rm", "--name", "burn-{n}", IMAGE, "burn-cpu")
    for n in range(2):
        platform.on_machine(cpu, *[word.format(n=n) for word in burn])
    platform.on_machine(ram, "docker", "run", "-d", "--rm", "--name", "hold", IMAGE,
                        "hold-memory", "3350")  # fmt: skip
    yield cpu, ram, idle
    platform.on_machine(cpu, "docker", "rm", "-f", "burn-0", "burn-1", check=False)
    platform.on_machine(ram, "docker", "rm", "-f", "hold", check=False)


def test_the_job_goes_to_the_machine_that_is_not_busy(
    platform: Platform, busy_machines: tuple[str, str, str]
) -> None:
    cpu, ram, idle = busy_machines

    def told() -> bool:
        nodes = {node["node"]: node for node in platform.json("node", "list")}
        sampled = all(nodes[name]["load"] is not None for name in MACHINES)
        if not sampled:
            return False
        is_cpu_busy = nodes[cpu]["load"] > 1.5 * nodes[idle]["load"] and nodes[cpu]["cpu"] > 0.25
        return is_cpu_busy and nodes[ram]["ram"] > 0.9

    wait_for("the load of the busy machines to be seen", told)
    platform.apply(once("idle-wins", soon(3), ["run", "2"]))
    job = wait_for("the job's end", lambda: ended(platform, "idle-wins"))[0]
    verdicts = platform.json("job", "explain", str(job["job_id"]))
    assert "over 90% of its memory" in str(verdicts)
    nodes = {node["node"]: node for node in platform.json("node", "list")}
    assert job["node"] == idle, nodes
    assert job["state"] == "SUCCEEDED"


def test_standalone_has_its_node_alone(platform: Platform) -> None:
    start = soon(4)
    platform.apply(once("alone", start, ["run", "8"], machine="standalone"))
    platform.apply(once("crowd", start + timedelta(seconds=2), ["run", "3"], instances=6))
    alone = wait_for("the standalone's end", lambda: ended(platform, "alone"))[0]
    crowd = wait_for("the crowd's end", lambda: ended(platform, "crowd", 6))
    assert alone["state"] == "SUCCEEDED"
    together = [
        job
        for job in crowd
        if job["node"] == alone["node"]
        and at(job["started_at"]) < at(alone["ended_at"])
        and at(job["ended_at"]) > at(alone["started_at"])
    ]
    assert together == []
    assert {job["ordinal"] for job in crowd} == set(range(6))


def test_a_dependent_runs_after_its_parent(platform: Platform) -> None:
    start = soon(4)
    parent = once("parent", start, ["run", "3"])
    child = (
        f"  - id: child\n    app: {IMAGE}\n    command: [run, '1']\n"
        "    depends_on: [{instance: parent}]\n"
    )
    platform.apply(parent + child)
    first = wait_for("the parent's end", lambda: ended(platform, "parent"))[0]
    second = wait_for("the child's end", lambda: ended(platform, "child"))[0]
    assert (first["state"], second["state"]) == ("SUCCEEDED", "SUCCEEDED")
    assert at(second["started_at"]) >= at(first["ended_at"])


def test_a_person_kills_a_job(platform: Platform) -> None:
    platform.apply(once("by-hand", soon(3), ["forever"]))
    job = wait_for(
        "the job to run",
        lambda: next((j for j in platform.jobs("by-hand") if j["state"] == "RUNNING"), None),
    )
    platform.rota("job", "kill", job["job_id"], "--yes")
    done = wait_for("the job's end", lambda: ended(platform, "by-hand"))[0]
    assert (done["state"], done["reason"]) == ("CANCELLED", "user")


def test_poison_goes_to_the_dead_letter_and_stops_nobody(platform: Platform) -> None:
    bus = platform.admin_bus()
    producer = bus.producer()
    poison = (b"\xff\xfe", b"{", b'{"instance_id": 7}', b'{"instance_id": "nobody-knows-me"}')
    for topic in ("app.instances", "job.commands", "job.events", "node.events", "nodes"):
        for payload in poison:
            producer.send(topic, "poison", payload).wait(10)
    start = soon(4)
    platform.apply(once("unharmed", start, ["run", "1"]))
    job = wait_for("the job's end", lambda: ended(platform, "unharmed"))[0]
    assert job["state"] == "SUCCEEDED"
    assert at(job["started_at"]) - start <= timedelta(seconds=5)
    consumer = bus.consumer(None)
    for topic in ("app.instances", "job.commands", "job.events", "node.events"):
        consumer.assign(bus.partitions_of(f"{topic}.dlq"))
        found = wait_for("the dead letters", lambda: consumer.poll(1.0), 20)
        assert b'"error"' in found[0].value
    bus.close()


def test_a_file_with_problems_changes_nothing(platform: Platform) -> None:
    wrong = once("never-stored", soon(60), ["run", "1"]).replace("command:", "comand:")
    done = platform.rota("schedule", "apply", "-", "--yes", check=False, stdin=wrong)
    assert done.returncode == 3
    assert ":5:" in done.stderr
    assert "did you mean" in done.stderr
    assert "Traceback" not in done.stderr
    listed = platform.json("schedule", "list")
    assert "never-stored" not in {row["instance"] for row in listed}


def test_kafka_refuses_no_service_anything(platform: Platform) -> None:
    """Each service may do all that its code does: a permission forgotten shows only later."""
    refused = [
        (machine, name, line)
        for machine in MACHINES
        for name in platform.on_machine(machine, "docker", "ps", "--format", "{{.Names}}").split()
        for line in platform.on_machine(
            machine, "sh", "-c", f"docker logs {name} 2>&1 | grep AuthorizationFailed | tail -n 1"
        ).splitlines()
        if name not in {"rota-kafka", "rota-mysql"}
    ]
    assert refused == []
