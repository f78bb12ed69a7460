"""Kafka or MySQL die while the platform runs: services wait and reconnect, none is restarted."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.e2e.platform import TERMINAL, Platform, wait_for
from tests.e2e.schedules import once, soon

OURS = {
    "scheduler", "deployment_manager", "load_balancer", "node_manager", "application_manager",
    "client",
}  # fmt: skip


def restarts(platform: Platform) -> dict[tuple[str, str], int]:
    status = platform.json("platform", "status", "-f", str(platform.file))
    return {
        (s["machine"], s["service"]): s["restarts"]
        for s in status["services"]
        if s["service"] in OURS
    }


@pytest.mark.parametrize("server", ["kafka", "mysql"])
def test_services_wait_for_a_server_that_died_and_go_on(platform: Platform, server: str) -> None:
    before = restarts(platform)
    assert {service for _, service in before} == OURS
    instance = f"after-{server}"
    start = soon(15)
    platform.apply(once(instance, start, ["run", "1"]))
    platform.kill_service(server)

    def done() -> list[dict[str, object]]:
        return [job for job in platform.jobs(instance) if job["state"] in TERMINAL]

    job = wait_for("the job's end", done, 120)[0]
    assert job["state"] == "SUCCEEDED"
    late = datetime.fromisoformat(str(job["started_at"])) - start
    assert late <= timedelta(seconds=45), late
    assert restarts(platform) == before
