"""Every seed keeps every promise: the platform in one process, with whatever may go wrong.

`ROTA_SIMULATION_SEEDS` says how many seeds to live through, `ROTA_SIMULATION_SEED` replays one and
prints what happened (`make simulate SEEDS=1000`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.failpoints import ACTS, all_failpoints
from tests.simulation.sabotage import SABOTAGE

ROOT = Path(__file__).resolve().parents[2]
SEEDS = int(os.environ.get("ROTA_SIMULATION_SEEDS") or 200)
AWAY_SEEDS = 12
ONE = os.environ.get("ROTA_SIMULATION_SEED")
WORKERS = os.cpu_count() or 1

pytestmark = pytest.mark.timeout(36_000)


def begin(*arguments: object) -> subprocess.Popen[str]:
    """Start a world in a process of its own, whose hashes are not random."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.simulation.run", *map(str, arguments)],
        cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "0"}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def told_by(*processes: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Wait for them all; return the lines that they told."""
    outputs = [process.communicate()[0] for process in processes]
    return [json.loads(line) for output in outputs for line in output.splitlines()]


def test_every_seed_keeps_every_promise() -> None:
    if ONE:
        replay = begin(ONE, "--trace")
        print(replay.communicate()[0])
        assert replay.returncode == 0
        return
    lines = told_by(*(begin(first, SEEDS - first, WORKERS) for first in range(WORKERS)))
    totals = [line for line in lines if "totals" in line]
    print(*totals, sep="\n")
    assert sum(line["totals"]["seeds"] for line in totals) == SEEDS
    assert sum(line["totals"]["crashes"] for line in totals) > SEEDS / 4
    assert sum(line["totals"]["runs"] for line in totals) > SEEDS
    failing = {line["seed"]: line["violations"] for line in lines if "seed" in line}
    assert not failing, f"replay with ROTA_SIMULATION_SEED={min(failing)}: {failing}"


def test_what_people_do_while_no_scheduler_looks_is_kept_to() -> None:
    lines = told_by(*(begin(first, AWAY_SEEDS - first, WORKERS, "--away") for first in range(WORKERS)))
    totals = [line["totals"] for line in lines if "totals" in line]
    assert sum(total["seeds"] for total in totals) == AWAY_SEEDS
    failing = {line["seed"]: line["violations"] for line in lines if "seed" in line}
    assert not failing, f"python -m tests.simulation.run {min(failing)} --trace --away: {failing}"


def test_a_seed_replays_exactly() -> None:
    first, again = (begin("3", "--digest") for _ in range(2))
    assert told_by(first) == told_by(again)


def test_thirty_days_pass_in_seconds() -> None:
    [month] = told_by(begin("--days", 30))
    assert month["violations"] == []
    assert month["simulated_s"] > 29 * 86_400
    assert month["crashes"] > 10
    assert month["runs"] > 100


def test_a_platform_that_breaks_its_promises_is_caught() -> None:
    lines = told_by(begin("--sabotage"))
    assert {line["sabotage"] for line in lines} == set(SABOTAGE)
    for line in lines:
        _, promise = SABOTAGE[line["sabotage"]]
        found = {violation.split()[0] for violation in line["violations"]}
        assert promise in found, line


@pytest.fixture(scope="module")
def suffered() -> dict[tuple[str, str], dict[str, Any]]:
    """What came of each failpoint and act."""
    names = all_failpoints()
    shares = (names[first::WORKERS] for first in range(WORKERS))
    lines = told_by(*(begin("--failpoints", *share) for share in shares if share))
    return {(line["failpoint"], line["act"]): line for line in lines}


def test_there_are_failpoints_in_every_service_that_has_side_effects() -> None:
    services = {name.split(".")[0] for name in all_failpoints()}
    assert services >= {"application_manager", "scheduler", "deployer", "client"}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("name", all_failpoints())
def test_no_failpoint_breaks_a_promise(
    suffered: dict[tuple[str, str], dict[str, Any]], name: str, act: str
) -> None:
    outcome = suffered[name, act]
    assert outcome["passed"] > 0, "nothing comes by here: the thorough scenario lacks a step"
    assert outcome["violations"] == []
