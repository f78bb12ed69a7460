"""Calendar links: made, read without a login, revoked; they open nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from httpx import Response

from tests.service.application_manager.bench import NOON, TOKEN, World, schedule_file


def link(world: World, name: str = "phone", **shown: str) -> str:
    made = world.call("POST", "/tokens", {"name": name, "role": "calendar", **shown})
    assert made.status_code == 201, made.text
    return str(made.json()["path"])


def read(world: World, path: str) -> Response:
    return world.client.get(path)


@pytest.fixture
def daily(world: World) -> World:
    """Two instances, a and b, due daily at 18:00; b is of the application `heating`."""
    image = {"image": "registry/heating:1.4", "command": ["serve"]}
    world.call("PUT", "/applications/heating", image)
    text = schedule_file("a", "b").replace(
        "{start: 2026-03-02T00:00:00Z, interval: 1m, duration: 5s}", '{cron: "0 18 * * *", duration: 5m}'
    )
    head, tail = text.split("  - id: b")
    tail = tail.replace("rota/demo-app:dev", "heating").replace("    command: [run, '1']\n", "")
    assert world.apply(f"{head}  - id: b{tail}").status_code == 200
    for each in ("a", "b"):
        world.write("put_schedule", instance=each, next_due=NOON + timedelta(hours=6))
    return world


@pytest.mark.parametrize(("shown", "count"), [
    ({}, {"a": 30, "b": 30}), ({"instance": "a"}, {"a": 30}), ({"application": "heating"}, {"b": 30}),
])  # fmt: skip
def test_a_link_shows_thirty_days_of_what_it_was_made_for(
    daily: World, shown: dict[str, str], count: dict[str, int]
) -> None:
    answer = read(daily, link(daily, **shown))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    lines = answer.text.split("\r\n")
    summaries = [line for line in lines if line.startswith("SUMMARY:")]
    assert {name: summaries.count(f"SUMMARY:{name}") for name in count} == count
    assert len(summaries) == sum(count.values())
    first = next(iter(count))
    assert lines.count(f"UID:{first}.20260302T180000Z.0@rota") == 1


def test_every_wrong_link_has_the_same_answer(daily: World) -> None:
    good = link(daily, instance="a")
    viewer = daily.call("POST", "/tokens", {"name": "v", "role": "viewer"}).json()["token"]
    revoked = link(daily, "old")
    assert daily.call("DELETE", "/tokens/old").status_code == 200
    other = good.replace("/instance.a.", "/instance.b.")
    wrong = [revoked, other, *(f"/api/v1/calendar/{each}.ics"
                               for each in (viewer, TOKEN, "x", "all.x", "é" * 500))]  # fmt: skip
    answers = {(each.status_code, each.text) for each in (read(daily, path) for path in wrong)}
    assert len(answers) == 1
    assert next(iter(answers))[0] == 404
    assert read(daily, good).status_code == 200


def test_a_link_opens_nothing_but_its_calendar(daily: World) -> None:
    secret = link(daily).rpartition("/")[2].removesuffix(".ics")
    headers = {"authorization": f"Bearer {secret}"}
    for path in ("/api/v1/jobs", "/api/v1/me", "/timeline.ics"):
        assert daily.client.get(path, headers=headers).status_code == 401


def test_a_link_is_listed_and_in_the_audit_but_its_secret_is_nowhere(
    daily: World, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    path = link(daily, instance="a")
    read(daily, path)
    daily.call("DELETE", "/tokens/none")
    (row,) = [each for each in daily.get("/tokens")["items"] if each["name"] == "phone"]
    assert (row["role"], row["last_used_at"] is not None) == ("calendar", True)
    daily.call("DELETE", "/tokens/phone")
    entries = daily.get("/audit?target=phone")["items"]
    assert [each["action"] for each in entries] == ["token.delete", "token.add"]
    assert entries[1]["detail"] == {"role": "calendar", "instance": "a", "application": None}
    secret = path.rpartition("/")[2].removesuffix(".ics")
    said = capfd.readouterr()
    for text in (str(row), str(entries), caplog.text, said.out, said.err):
        assert secret not in text


@pytest.mark.parametrize(("body", "status"), [
    ({"role": "calendar", "instance": "none"}, 404),
    ({"role": "calendar", "application": "none"}, 404),
    ({"role": "calendar", "instance": "a", "application": "heating"}, 422),
    ({"role": "viewer", "instance": "a"}, 422),
])  # fmt: skip
def test_a_link_to_nothing_is_not_made(daily: World, body: dict[str, str], status: int) -> None:
    assert daily.call("POST", "/tokens", {"name": "phone", **body}).status_code == status
    assert all(each["name"] != "phone" for each in daily.get("/tokens")["items"])
