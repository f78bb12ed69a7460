"""Channels of the platform: told of every instance, beside what schedule files name."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from application_manager.domain.notices import NotTakenError
from application_manager.notifier import Notifier
from tests.service.application_manager.bench import NOON, World, schedule_file
from tests.service.application_manager.test_notifier import happen

OPS = "https://hooks.test/path-canary"
JOB = "a.20260302T115900Z.0"
AFTER = NOON + timedelta(seconds=1)


@dataclass
class Doors:
    """Everybody's webhooks and the mail server: what each was handed, and how it fails."""

    handed: list[tuple[str, str]] = field(default_factory=list)
    fails: dict[str, Exception] = field(default_factory=dict)

    def post(self, url: str, body: dict[str, Any]) -> None:
        self.handed.append((url, body["event"]))
        if url in self.fails:
            raise self.fails[url]

    def asked(self, url: str) -> int:
        return [each for each, _ in self.handed].count(url)


@pytest.fixture
def doors() -> Doors:
    return Doors()


@pytest.fixture
def notifier(world: World, doors: Doors) -> Notifier:
    world.apply(schedule_file("a", "b"))
    made = Notifier(world.parts.database, world.clock, doors.post, doors.post)
    made.run_once()
    return made


def add(world: World, name: str, **more: Any) -> int:
    return world.call("POST", "/notices/channels", {"name": name, **more}).status_code


def failed(world: World, *instances: str) -> None:
    world.clock.advance(timedelta(seconds=1))
    for each in instances:
        job = f"{each}.20260302T115900Z.0"
        world.put_job(job, "FAILED")
        world.write("put_event", job_id=job, at=world.clock.now(), from_state=None, to_state="FAILED")


def test_a_channel_is_told_of_every_instance_until_it_is_removed(
    world: World, notifier: Notifier, doors: Doors
) -> None:
    assert add(world, "ops", url=OPS, on=["failed"]) == 201
    assert add(world, "ops", url=OPS) == 409
    failed(world, "a")
    notifier.run_once()
    assert doors.handed == [(OPS, "failed")]
    doors.fails[OPS] = NotTakenError("it answered 500")
    failed(world, "b")
    notifier.run_once()
    assert world.call("DELETE", "/notices/channels/ops").status_code == 200
    world.clock.advance(timedelta(hours=1))
    notifier.run_once()
    assert doors.asked(OPS) == 2, "what waited for it is given up"
    assert world.get("/notices/channels")["items"] == []
    assert world.call("DELETE", "/notices/channels/ops").status_code == 404
    done = [(each["action"], each["target"]) for each in world.get("/audit")["items"]]
    assert done[:2] == [("channel.delete", "ops"), ("channel.add", "ops")]
    assert "path-canary" not in str(world.get("/audit")), "a webhook's path is a secret"


def test_a_new_channel_hears_nothing_of_what_was_before_it(
    world: World, notifier: Notifier, doors: Doors
) -> None:
    happen(world, "FAILED")
    world.clock.advance(timedelta(seconds=1))
    add(world, "ops", url=OPS)
    notifier.run_once()
    assert doors.handed == []


def test_an_address_that_a_file_names_too_is_told_once(world: World, doors: Doors) -> None:
    world.apply(schedule_file("a", more=f"notify: {{url: '{OPS}', on: [failed]}}"))
    notifier = Notifier(world.parts.database, world.clock, doors.post)
    notifier.run_once()
    add(world, "ops", url=OPS, on=["failed", "missed"])
    failed(world, "a")
    notifier.run_once()
    assert doors.handed == [(OPS, "failed")]


def test_the_list_tells_where_each_comes_from_and_what_became_of_its_last(
    world: World, notifier: Notifier, doors: Doors
) -> None:
    world.apply(schedule_file("a", "b", more="notify: {mail: anna@example.org}"))
    add(world, "ops", url=OPS, on=["late", "failed", "late"])
    doors.fails[OPS] = NotTakenError("it answered 500")
    failed(world, "a")
    notifier.run_once()
    own, of_files = world.get("/notices/channels")["items"]
    assert (own["name"], own["to"], own["on"]) == ("ops", "https://hooks.test/…", ["late", "failed"])
    assert (own["created_by"], own["waiting"]) == ("token:initial", 1)
    assert own["last"]["error"] == "it answered 500"
    assert (of_files["name"], of_files["to"]) == (None, "mailto:…@example.org")
    assert (of_files["instances"], of_files["instance_count"]) == (["a", "b"], 2)
    assert (of_files["last"], of_files["waiting"]) == (None, 1), "it is not tried yet"


@pytest.mark.parametrize(("by", "url"), [
    ({"name": "ops"}, OPS), ({"instance": "a"}, "mailto:anna@example.org"),
])  # fmt: skip
def test_a_test_notice_goes_the_way_of_all_and_is_tried_once(
    world: World, notifier: Notifier, doors: Doors, by: dict[str, str], url: str
) -> None:
    world.apply(schedule_file("a", more="notify: {mail: anna@example.org}"))
    add(world, "ops", url=OPS)
    doors.fails[url] = ConnectionError("refused")
    event = world.call("POST", "/notices/test", by).json()["event_id"]
    for _ in range(3):
        notifier.run_once()
        notifier.mail_once()
        world.clock.advance(timedelta(hours=3))
    assert doors.handed == [(url, "test")]
    (told,) = [each for each in world.get("/notices")["items"] if each["event_id"] == event]
    assert (told["state"], told["error"]) == ("given_up", "ConnectionError: refused")
    assert world.get("/audit")["items"][0]["action"] == "notice.test"


def test_what_has_no_address_is_refused(world: World) -> None:
    world.apply(schedule_file("b"))
    for body, status in [
        ({"name": "nobody"}, 404), ({"instance": "nobody"}, 404), ({"instance": "b"}, 404),
        ({}, 422), ({"name": "ops", "instance": "a"}, 422),
    ]:  # fmt: skip
        assert world.call("POST", "/notices/test", body).status_code == status, body
    for more in [
        {}, {"url": OPS, "mail": "ops@example.org"}, {"url": "hooks.test"}, {"url": "https://a b"},
        {"mail": "not an address"}, {"url": OPS, "on": []}, {"url": OPS, "on": ["never"]},
    ]:  # fmt: skip
        assert add(world, "ops", **more) == 422, more
    assert world.get("/notices/channels")["items"] == []


def test_who_does_not_answer_is_asked_once_a_round_and_delays_no_other(
    world: World, notifier: Notifier, doors: Doors
) -> None:
    add(world, "dead", url="https://dead.test/x", on=["failed"])
    add(world, "letters", mail="ops@example.org", on=["failed"])
    add(world, "ops", url=OPS, on=["failed"])
    doors.fails = {"https://dead.test/x": TimeoutError(), "mailto:ops@example.org": TimeoutError()}
    failed(world, "a", "b")
    notifier.run_once()
    assert doors.asked("https://dead.test/x") == 1, "five seconds a round, not five for each notice"
    assert doors.asked(OPS) == 2
    assert doors.asked("mailto:ops@example.org") == 0, "the mail server has a thread of its own"
    notifier.mail_once()
    assert doors.asked("mailto:ops@example.org") == 1
    waiting = {each["name"]: each["waiting"] for each in world.get("/notices/channels")["items"]}
    assert waiting == {"dead": 2, "letters": 2, "ops": 0}
