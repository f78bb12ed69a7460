"""What guards a machine that `up` made ready: the watchdog and the firewall, and their return."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from tests.e2e.platform import MACHINES, TERMINAL, Platform, wait_for
from tests.e2e.schedules import once, soon

METADATA = "169.254.169.254"
GRACE_S = 10


def running(platform: Platform, instance: str) -> dict[str, object] | None:
    return next((job for job in platform.jobs(instance) if job["state"] == "RUNNING"), None)


def ended(platform: Platform, instance: str) -> dict[str, object] | None:
    return next((job for job in platform.jobs(instance) if job["state"] in TERMINAL), None)


@pytest.fixture
def clients_back(platform: Platform) -> Iterator[None]:
    yield
    for machine in MACHINES:
        platform.on_machine(machine, "docker", "start", "rota-client")


@pytest.mark.usefixtures("clients_back")
def test_a_stop_time_holds_while_its_client_is_down(platform: Platform) -> None:
    start, instance = soon(4), "watched"
    platform.apply(once(instance, start, ["forever"], duration="12s"))
    job = wait_for("the job to run", lambda: running(platform, instance))
    machine, stop_at = str(job["node"]), start + timedelta(seconds=12)
    platform.on_machine(machine, "docker", "kill", "rota-client")
    died = wait_for("the container's end", lambda: _death(platform, machine, instance), 30)
    assert timedelta(0) <= died - stop_at <= timedelta(seconds=3.5)
    assert _state(platform, machine, "rota-client") != "running", "it was the client's doing"
    platform.on_machine(machine, "docker", "start", "rota-client")
    done = wait_for("the ledger to tell", lambda: ended(platform, instance), 60)
    assert (done["state"], done["reason"]) == ("ENDED", "duration")


def _death(platform: Platform, machine: str, instance: str) -> datetime | None:
    told = platform.on_machine(
        machine, "sh", "-c", "docker ps -aq --filter label=io.rota.instance=$0 --filter"
        " status=exited | xargs -r docker inspect -f '{{.State.FinishedAt}}'", instance,
    ).strip()  # fmt: skip
    return datetime.fromisoformat(re.sub(r"\.(\d{6})\d*Z", r".\1+00:00", told)) if told else None


def _state(platform: Platform, machine: str, container: str) -> str:
    form = "{{.State.Status}}"
    return platform.on_machine(machine, "docker", "inspect", "-f", form, container).strip()


@pytest.fixture
def metadata(platform: Platform) -> Iterator[None]:
    """Give each machine a metadata address that answers, as in a cloud."""
    address = (f"{METADATA}/32", "dev", "lo")
    for machine in MACHINES:
        platform.on_machine(machine, "ip", "addr", "add", *address, "scope", "host", check=False)
    yield
    for machine in MACHINES:
        platform.on_machine(machine, "ip", "addr", "del", *address, check=False)


@pytest.mark.usefixtures("metadata")
def test_no_app_reaches_the_platform(platform: Platform) -> None:
    places = {machine: _address(platform, machine) for machine in MACHINES}
    homes = {s: places[platform.service_home(s)[0]] for s in ("kafka", "mysql")}
    targets = {
        "kafka": f"{homes['kafka']}:9092", "mysql": f"{homes['mysql']}:3306",
        **{f"sshd-{m}": f"{address}:22" for m, address in places.items()},
        **{f"client-{m}": f"{address}:7110" for m, address in places.items()},
        "page": platform.json("platform", "status", "-f", str(platform.file))["url"].split("/")[2],
        "metadata": f"{METADATA}:80",
    }  # fmt: skip
    # What answers, if only by a refusal, and is none of ours: an app needs its sensors.
    elsewhere = f"elsewhere={_gateway()}:9"
    words = ["attack", elsewhere, *(f"{name}={target}" for name, target in targets.items())]
    instance = "attacker"
    platform.apply(once(instance, soon(3), words, app="rota/probe:dev"))
    job = wait_for("the attacks", lambda: ended(platform, instance), 120)
    said = platform.rota("job", "logs", str(job["job_id"])).stdout
    reached = set(re.findall(r"SUCCEEDED reaches (\S+)", said))
    blocked = set(re.findall(r"blocked reaches (\S+)", said))
    assert (reached, blocked) == ({"elsewhere"}, set(targets)), said


def _address(platform: Platform, machine: str) -> str:
    return _inspected(platform.container_of(machine))["IPAddress"]


def _gateway() -> str:
    found = json.loads(subprocess.check_output(["docker", "network", "inspect", "bridge"]))
    return str(found[0]["IPAM"]["Config"][0]["Gateway"])


def _inspected(container: str) -> dict[str, str]:
    found = json.loads(subprocess.check_output(["docker", "inspect", container]))
    settings: dict[str, str] = found[0]["NetworkSettings"]
    return settings


def test_guards_that_somebody_took_away_are_planned_and_come_back(platform: Platform) -> None:
    file = ("-f", str(platform.file))
    platform.on_machine("m1", "systemctl", "stop", "rota-watchdog.service")
    platform.on_machine("m2", "iptables", "-I", "ROTA-APPS", "-j", "RETURN")
    platform.on_machine("m3", "systemctl", "restart", "docker")  # takes nothing away
    planned = platform.rota("platform", "plan", *file).stdout
    assert "rota-watchdog.service is inactive" in planned
    assert "the firewall's rules are not in force" in planned
    assert "m3" not in re.findall(r"\bm\d\b", planned.split("watchdog")[1]), planned
    platform.rota("platform", "up", *file, timeout=300)
    assert "nothing to change" in platform.rota("platform", "plan", *file).stderr.lower()
    active = platform.on_machine("m1", "systemctl", "is-active", "rota-watchdog.service")
    assert active.strip() == "active"
