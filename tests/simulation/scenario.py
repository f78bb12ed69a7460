"""What a seed stands for: some schedules, what people do, and what goes wrong meanwhile.

When something is due is worked out here by plain arithmetic, not by the platform's calendar.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from common.schedule import InstanceSpec
from common.schedule.spec import Dependency, Recurrence
from tests.simulation.actions import Action, make_actions
from tests.simulation.wanted import Wanted, at
from tests.simulation.world import START, Chaos

FIRST_DUE_S = 12
AWAY = "schedulers away"
POLICIES = ("skip", "skip", "queue_one", "queue_all", "replace", "allow")


@dataclass(frozen=True)
class Scenario:
    """A seed, spelled out. `faults` are (second, kind, length in s)."""

    seed: int
    wanted: tuple[Wanted, ...]
    chaos: Chaos
    faults: tuple[tuple[float, str, float], ...]
    kills: tuple[float, ...]
    calm_from: float
    actions: tuple[Action, ...] = ()
    schedulers: int = 2
    deployers: int = 2
    machines: int = 3

    @property
    def is_long(self) -> bool:
        """Whether it goes on for so long that the world sleeps in between."""
        return self.calm_from > 3600

    @property
    def is_away(self) -> bool:
        """Whether all schedulers are away for a while, and nothing else goes wrong."""
        return [kind for _, kind, _ in self.faults] == [AWAY]

    @property
    def files(self) -> list[list[InstanceSpec]]:
        """What is applied together: an instance and those that wait for it."""
        return [
            [one.spec, *(other.spec for other in self.wanted if other.parent == one.spec.id)]
            for one in self.wanted
            if one.parent is None
        ]

    @property
    def variants(self) -> list[Wanted]:
        """Every instance as it is at first and after each edit."""
        return [*self.wanted, *(one.edited for one in self.actions if one.edited is not None)]

    @property
    def last_due(self) -> float:
        return max(due for wanted in self.variants for due in wanted.dues)


FAULTS = (
    "kafka away", "mysql away", "cut from kafka", "cut from mysql", "freeze", "crash", "crash",
    "stop", "power off", "reinstall", "docker away", "clock step", "replay", "kill all",
)  # fmt: skip


def make_scenario(seed: int, *, active_s: int = 90) -> Scenario:
    """Spell a seed out."""
    rng = random.Random(f"scenario {seed}")
    wanted = list(_instances(rng, active_s))
    chaos = Chaos(
        crash=rng.choice((0.0, 0.0005, 0.003)),
        freeze=rng.choice((0.0, 0.0, 0.0005)),
        error=rng.choice((0.0, 0.002, 0.02)),
        message=rng.choice((0.0, 0.05, 0.3)),
        until=active_s,
    )
    faults = tuple(
        sorted(
            (rng.uniform(2, active_s), rng.choice(FAULTS), rng.choice((2.0, 8.0, 20.0, 45.0)))
            for _ in range(rng.choice((0, 1, 2, 4)))
        )
    )
    calm_from = max([active_s, *(begin + length for begin, _, length in faults)])
    kills = tuple(rng.uniform(10, active_s) for _ in range(rng.choice((0, 0, 1, 3))))
    actions = tuple(make_actions(seed, wanted, active_s, an_instance))
    return Scenario(seed, tuple(wanted), chaos, faults, kills, calm_from, actions)


def thorough_scenario() -> Scenario:
    """A calm world in which every kind of step is taken: for trying failpoints one by one."""

    def wanted(name: str, step: int, seconds: str, **fields: Any) -> Wanted:
        schedule = Recurrence(
            form="every", start=at(15), end=at(60), step=step, duration_s=fields.pop("stop", None)
        )
        spec = InstanceSpec(
            id=name, app=fields.pop("app", "app:1"), command=("run", seconds, "0"), grace_s=2,
            schedule=schedule, start_deadline_s=60, **fields,
        )  # fmt: skip
        return Wanted(spec, tuple(map(float, range(15, 60, step))), 60.0)

    parent = wanted("parent", 20, "3")
    child = InstanceSpec(
        id="child", app="app:1", command=("run", "2", "0"), grace_s=1, start_deadline_s=300,
        depends_on=(Dependency(instance="parent"),),
    )  # fmt: skip
    several = (
        wanted("often", 5, "2"), wanted("long", 15, "100", overlap="replace"),
        wanted("short", 20, "100", stop=6, app="app:deaf"), wanted("pair", 20, "4", instances=2),
        wanted("alone", 30, "5", machine="standalone"),
        parent, Wanted(child, parent.dues, None, "parent"),
    )  # fmt: skip
    return Scenario(1, several, Chaos(), (), (25.0, 32.0, 40.0), 60.0)


def long_scenario(days: int) -> Scenario:
    """Weeks of ordinary schedules over a clock change; here and there something dies."""
    berlin, kolkata = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")
    dates = [START.date() + timedelta(days=n) for n in range(days)]
    half_past_nine = [datetime.combine(day, time(9, 30), berlin) for day in dates]
    evenings = [
        datetime.combine(day, time(22), kolkata) + timedelta(seconds=second)
        for day in dates if day.weekday() < 5
        for second in (0, 20, 40)
    ]  # fmt: skip
    sundays = [datetime.combine(day, time(12), UTC) for day in dates if day.weekday() == 6]
    common = {"app": "app:1", "grace_s": 2}
    daily = InstanceSpec(
        id="daily", command=("run", "8", "0"), timezone="Europe/Berlin",
        schedule=Recurrence(form="daily", start_time=time(9, 30), duration_s=20), **common,
    )  # fmt: skip
    window = InstanceSpec(
        id="window", command=("run", "100", "0"), timezone="Asia/Kolkata", overlap="queue_one",
        schedule=Recurrence(form="window", start_time=time(22), end_time=time(22, 1), step=20,
                            duration_s=12, days=(0, 1, 2, 3, 4)), **common,
    )  # fmt: skip
    weekly = InstanceSpec(
        id="weekly", command=("run", "3", "0"), instances=2,
        schedule=Recurrence(form="cron", cron="0 12 * * sun"), **common,
    )  # fmt: skip
    child = InstanceSpec(
        id="after-daily", command=("run", "1", "0"), depends_on=(Dependency(instance="daily"),),
        **common,
    )  # fmt: skip
    wanted = (
        Wanted(daily, _seconds(half_past_nine), None),
        Wanted(window, _seconds(evenings), None, day_ends=True),
        Wanted(weekly, _seconds(sundays), None), Wanted(child, _seconds(half_past_nine), None, "daily"),
    )  # fmt: skip
    chaos = Chaos(crash=0.0002, error=0.002, message=0.02, until=days * 86400.0)
    return Scenario(1, wanted, chaos, (), (), days * 86400.0, schedulers=1, deployers=1, machines=2)


def _seconds(moments: Sequence[datetime]) -> tuple[float, ...]:
    found = ((moment.astimezone(UTC) - START).total_seconds() for moment in moments)
    return tuple(second for second in found if second > FIRST_DUE_S)


def _instances(rng: random.Random, active_s: int) -> Iterator[Wanted]:
    for number in range(rng.randint(3, 7)):
        one = an_instance(rng, f"app-{number}", active_s)
        yield one
        is_parent = one.spec.instances == 1 and rng.random() < 0.3
        if is_parent:
            yield _child(rng, one)


def an_instance(rng: random.Random, name: str, active_s: int) -> Wanted:
    """Make up an instance that is due some times within so many seconds."""
    start = FIRST_DUE_S + rng.randint(0, 30)
    step = rng.choice((7, 10, 15, 30, 60))
    end = start + rng.randint(1, max(2, int(active_s) - start))
    form = rng.choice(("every", "every", "once"))
    dues = [start] if form == "once" else list(range(start, end, step))
    duration_s = rng.choice((None, None, 3, 8, 20))
    schedule = Recurrence(
        form=form, start=at(start), end=at(end), step=step if form == "every" else 0,
        duration_s=duration_s,
    )  # fmt: skip
    is_alone = rng.random() < 0.15
    spec = InstanceSpec(
        id=name,
        app="app:deaf" if rng.random() < 0.1 else "app:1",
        command=_behaviour(rng),
        instances=1 if is_alone else rng.choice((1, 1, 1, 2)),
        machine="standalone" if is_alone else "shared",
        schedule=schedule,
        overlap=rng.choice(POLICIES),
        misfire=rng.choice(("latest", "latest", "all", "skip")),
        retries=rng.choice((0, 0, 0, 1, 2)),
        timeout_s=rng.choice((None, None, None, 5)),
        grace_s=rng.choice((1, 5, 10)),
        start_deadline_s=rng.choice((20, 60, 3600)),
        on_node_lost=rng.choice(("wait", "wait", "reschedule", "fail")),
        priority=rng.choice((10, 50, 90)),
    )
    return Wanted(spec, tuple(map(float, dues)), float(end))


def _child(rng: random.Random, parent: Wanted) -> Wanted:
    spec = InstanceSpec(
        id=f"{parent.spec.id}-child",
        app="app:1",
        command=("run", str(rng.choice((1, 4))), "0"),
        depends_on=(Dependency(instance=parent.spec.id, on=rng.choice(("success", "done"))),),
        start_deadline_s=rng.choice((60, 3600)),
        grace_s=1,
    )
    return Wanted(spec, parent.dues, None, parent.spec.id)


def _behaviour(rng: random.Random) -> tuple[str, ...]:
    seconds = rng.choice((0.2, 1, 2, 4, 9, 25))
    code = rng.choice((0, 0, 0, 0, 1))
    return ("run", str(seconds), str(code)) if rng.random() < 0.85 else ("forever",)
