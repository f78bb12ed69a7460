"""Docker's words for a container's state, as the client takes them."""

import pytest

from node_manager.client.domain.attempt import Key, Status
from node_manager.client.domain.container import Owner
from node_manager.client.engine import EngineUnavailableError
from node_manager.client.engine.translate import seen_of_inspection

OWNER = Owner("test", "m1")
KEY = Key("hall-heating.20261123T080000Z.0", 1)
LABELS = {"io.rota.platform": "test", "io.rota.node": "m1", "io.rota.job": KEY.job_id,
          "io.rota.attempt": "1"}
NEVER, LATELY = "0001-01-01T00:00:00Z", "2026-11-23T08:00:00.123456789Z"


def inspection(status, started_at):
    state = {"Status": status, "StartedAt": started_at, "FinishedAt": NEVER, "ExitCode": 0}
    return {"Id": "x", "State": state, "Config": {"Labels": LABELS}}


@pytest.mark.parametrize(("status", "started_at", "taken_as"), [
    ("created", NEVER, Status.CREATED),
    ("running", LATELY, Status.RUNNING),
    ("paused", LATELY, Status.RUNNING),
    ("restarting", LATELY, Status.RUNNING),
    ("exited", LATELY, Status.EXITED),
    ("dead", LATELY, Status.EXITED),
    ("dead", NEVER, Status.CREATED),  # else a job that never ran would have ended well
])
def test_what_may_have_a_live_process_counts_as_running(status, started_at, taken_as):
    assert seen_of_inspection(inspection(status, started_at), KEY.name, OWNER).status is taken_as


@pytest.mark.parametrize("started_at", [NEVER, LATELY])
def test_what_is_being_removed_is_neither_running_nor_gone_yet(started_at):
    with pytest.raises(EngineUnavailableError, match="removing"):
        seen_of_inspection(inspection("removing", started_at), KEY.name, OWNER)
