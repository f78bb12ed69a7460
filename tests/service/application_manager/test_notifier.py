"""Webhooks: told once of what they want to know, again until they take it, and then no more."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from application_manager.notifier import OVERLAP, Notifier
from tests.service.application_manager.bench import NOON, World, schedule_file

JOB = "a.20260302T115900Z.0"
NOTIFY = "notify: {url: 'https://hooks.test/x', on: [failed, missed, late, overran, recovered]}"


@dataclass
class Hook:
    """Somebody's webhook."""

    taken: list[dict[str, Any]] = field(default_factory=list)
    tries: int = 0
    is_broken: bool = False

    def post(self, url: str, body: dict[str, Any]) -> None:
        assert url == "https://hooks.test/x"
        self.tries += 1
        if self.is_broken:
            raise ConnectionError("no")
        self.taken.append(body)


@pytest.fixture
def hook() -> Hook:
    return Hook()


@pytest.fixture
def notifier(world: World, hook: Hook) -> Notifier:
    world.apply(schedule_file("a", more=NOTIFY + "\n    env: {KEY: secret-canary}"))
    made = Notifier(world.parts.database, world.clock, hook.post)
    made.run_once()
    return made


def happen(world: World, state: str, job: str = JOB, **row: Any) -> None:
    world.put_job(job, state, **row)
    world.write("put_event", job_id=job, at=NOON, from_state=None, to_state=state)


@pytest.mark.parametrize(("state", "kinds"), [
    ("FAILED", ["failed"]), ("TIMED_OUT", ["failed", "overran"]), ("MISSED", ["missed"]),
    ("LOST", ["failed"]), ("SUCCEEDED", []), ("ENDED", []), ("RUNNING", []), ("CANCELLED", []),
])  # fmt: skip
def test_a_hook_is_told_what_it_wants_to_know_once(
    world: World, notifier: Notifier, hook: Hook, state: str, kinds: list[str]
) -> None:
    happen(world, state)
    notifier.run_once()
    notifier.run_once()
    assert [body["event"] for body in hook.taken] == kinds
    assert all((body["job_id"], body["state"]) == (JOB, state) for body in hook.taken)


def test_a_hook_is_told_only_what_its_instance_names(world: World, hook: Hook) -> None:
    world.apply(schedule_file("a", more="notify: {url: 'https://hooks.test/x', on: [missed]}"))
    world.apply(schedule_file("b"))
    notifier = Notifier(world.parts.database, world.clock, hook.post)
    notifier.run_once()
    happen(world, "FAILED")
    happen(world, "MISSED", "b.20260302T115900Z.0")
    notifier.run_once()
    assert hook.taken == []


def test_recovery_is_told_after_a_bad_end_only(world: World, notifier: Notifier, hook: Hook) -> None:
    happen(world, "FAILED", "a.20260302T115700Z.0")
    happen(world, "SUCCEEDED", "a.20260302T115800Z.0")
    happen(world, "SUCCEEDED", "a.20260302T115900Z.0")
    notifier.run_once()
    told = sorted((body["event"], body["job_id"][11:15]) for body in hook.taken)
    assert told == [("failed", "1157"), ("recovered", "1158")]


def test_a_late_start_is_told(world: World, notifier: Notifier, hook: Hook) -> None:
    happen(world, "RUNNING", "a.20260302T115700Z.0")
    world.write("set_lateness", job_id="a.20260302T115700Z.0", lateness_ms=61_000)
    notifier.run_once()
    assert [body["event"] for body in hook.taken] == ["late"]


def test_what_is_not_taken_is_tried_again_later_and_given_up_at_last(
    world: World, notifier: Notifier, hook: Hook
) -> None:
    hook.is_broken = True
    happen(world, "FAILED")
    notifier.run_once()
    notifier.run_once()
    assert hook.tries == 1, "not at once"
    for _ in range(20):
        world.clock.advance(timedelta(hours=3))
        notifier.run_once()
    assert hook.tries == 9
    assert world.get("/notices")["items"][0]["state"] == "given_up"


def test_a_hook_that_comes_back_is_told(world: World, notifier: Notifier, hook: Hook) -> None:
    hook.is_broken = True
    happen(world, "FAILED")
    notifier.run_once()
    hook.is_broken = False
    world.clock.advance(timedelta(seconds=1))
    notifier.run_once()
    assert [body["event"] for body in hook.taken] == ["failed"]
    (notice,) = world.get("/notices")["items"]
    assert (notice["state"], notice["url"]) == ("sent", "https://hooks.test/…")


def test_nothing_secret_is_in_a_notice(world: World, notifier: Notifier, hook: Hook) -> None:
    happen(world, "FAILED")
    notifier.run_once()
    assert "secret-canary" not in str(hook.taken)


def test_what_happened_before_the_first_start_is_not_told(world: World, hook: Hook) -> None:
    world.apply(schedule_file("a", more=NOTIFY))
    happen(world, "FAILED")
    Notifier(world.parts.database, world.clock, hook.post).run_once()
    assert hook.taken == []


def test_what_was_told_long_ago_is_forgotten_and_told_no_second_time(
    world: World, notifier: Notifier, hook: Hook
) -> None:
    happen(world, "FAILED")
    notifier.run_once()
    later = f"a.{NOON + timedelta(minutes=1):%Y%m%dT%H%M%SZ}.0"
    world.put_job(later, "RUNNING")

    def kept() -> int:
        return len(world.call("GET", "/notices").json()["items"])

    world.clock.advance(timedelta(days=31))
    notifier.tidy(30)
    notifier.run_once()
    assert (kept(), len(hook.taken)) == (1, 1), "its event is among those that are read again"
    for _ in range(OVERLAP + 1):
        world.write("put_event", job_id=later, at=NOON, from_state=None, to_state="RUNNING")
    notifier.run_once()
    notifier.tidy(30)
    notifier.run_once()
    assert (kept(), len(hook.taken)) == (0, 1)
