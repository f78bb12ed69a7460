"""Random faults for minutes: nothing lost, nothing double, and nothing grows (guarantees.md, 5)."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.checker.check import check
from tests.checker.history import Blind, Due
from tests.e2e.court import following
from tests.e2e.platform import MACHINES, Platform, now, wait_for
from tests.e2e.schedules import once, soon, stamp
from tests.e2e.test_faults_e2e import all_ended, cut_off, hung_docker, wait_until
from tests.soak.usage import Usage, growth, usage_of

MINUTES = float(os.environ.get("ROTA_SOAK_MINUTES", "10"))
SEED = int(os.environ.get("ROTA_SOAK_SEED", "1"))
FAULT_EVERY_S, SAMPLE_EVERY_S = 30, 10
EVERY_S, LASTS_S, INSTANCES = 6, 5, 3
SERVICES = ("scheduler", "deployment_manager", "node_manager", "load_balancer",
            "application_manager", "kafka", "mysql")  # fmt: skip
MEMORY_MAY_GROW = 1.05
FLAT = 8  # descriptors and threads come and go with connections; a leak goes on
LIVED_LONG = 30  # samples, five minutes: what is younger is still warming up


class Faults:
    """Makes one fault after another, by a seed; remembers where Docker could not tell of ends."""

    def __init__(self, platform: Platform, seed: int) -> None:
        self._platform, self._random = platform, random.Random(seed)
        self.blind: list[Blind] = []
        self.done: Counter[str] = Counter()

    def make_one(self) -> None:
        kinds: list[Callable[[], str]] = [self._kill, self._kill, self._kill, self._kill_client,
                                          self._cut, self._hang]  # fmt: skip
        what = self._random.choice(kinds)()
        print(f"{now():%H:%M:%S} {what}", flush=True)
        self.done[what.split()[0]] += 1

    def _kill(self) -> str:
        service = self._random.choice(SERVICES)
        self._platform.kill_service(service)
        return f"kill -9 {service}"

    def _kill_client(self) -> str:
        machine = self._random.choice(MACHINES)
        self._platform.kill_service("client", machine)
        return f"kill -9 client@{machine}"

    def _cut(self) -> str:
        machine = self._random.choice(MACHINES)
        with cut_off(self._platform, machine):
            wait_until(now() + timedelta(seconds=self._random.uniform(2, 20)))
        return f"cut-off {machine}"

    def _hang(self) -> str:
        machine, since = self._random.choice(MACHINES), now()
        with hung_docker(self._platform, machine):
            wait_until(since + timedelta(seconds=self._random.uniform(2, 15)))
        self.blind.append(Blind(machine, since, now() + timedelta(seconds=3)))
        return f"hung-docker {machine}"


@pytest.mark.timeout(3600)
def test_under_random_faults_nothing_is_lost_and_nothing_grows(
    platform: Platform, tmp_path: Path
) -> None:
    start, faults, samples = soon(6), Faults(platform, SEED), list[list[Usage]]()
    end = start + timedelta(minutes=MINUTES)
    names = [f"soak-{number}" for number in range(INSTANCES)]
    dues = [start + timedelta(seconds=EVERY_S * k) for k in range(int(MINUTES * 60 / EVERY_S))]
    with following(platform, tmp_path) as court:
        for name in names:
            platform.apply(
                once(name, start, ["run", "60"], interval=f"{EVERY_S}s", duration=f"{LASTS_S}s",
                     overlap="allow", misfire="all", end=stamp(end))
            )  # fmt: skip
        calm_from = _disturb(platform, faults, samples, end)
        wait_for("all to end",
                 lambda: all(all_ended(platform, name, len(dues)) for name in names), 120, 2)  # fmt: skip
        history = court.history(
            [Due(name, due, 0, min(due + timedelta(seconds=LASTS_S), end))
             for name in names for due in dues],
            blind=faults.blind, calm_from=calm_from,
        )  # fmt: skip
    grown = growth(samples, LIVED_LONG)
    states = Counter(row.state for row in history.rows)
    print(f"faults {dict(faults.done)}; jobs {dict(states)}", *grown, sep="\n")
    assert check(history) == []
    assert set(states) <= {"ENDED", "MISSED", "LOST"}, states
    assert grown, "no process lived long enough to be judged"
    assert [str(one) for one in grown if one.memory > MEMORY_MAY_GROW] == []
    assert [str(one) for one in grown if max(one.descriptors, one.threads) > FLAT] == []


def _disturb(
    platform: Platform, faults: Faults, samples: list[list[Usage]], end: datetime
) -> datetime:
    """Make a fault every half minute until 40 s before the end; return when the last was over."""
    next_fault = now() + timedelta(seconds=FAULT_EVERY_S)
    calm_from = now()
    while now() < end:
        samples.append(usage_of(platform))
        wait_until(min(now() + timedelta(seconds=SAMPLE_EVERY_S), end))
        if now() >= next_fault and now() < end - timedelta(seconds=40):
            faults.make_one()
            calm_from = now()
            next_fault += timedelta(seconds=FAULT_EVERY_S)
    return calm_from
