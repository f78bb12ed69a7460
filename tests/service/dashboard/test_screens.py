"""The screens on databases in memory: routes by templates, with rows and without."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from httpx import Response

from application_manager.letters import AGAIN_AFTER_S, DeadLetters
from common.bus.memory import MemoryBus
from common.clock import ManualClock
from tests.service.application_manager.bench import NOON, PASSWORD, TOKEN, World, schedule_file

JOB = "heating.20260302T115900Z.0"
PAGES = (
    "/", "/timeline", "/timeline?view=table", "/timeline?by=node", "/instances", "/jobs", "/nodes",
    "/upload", "/services", "/audit", "/users", "/notices",
)  # fmt: skip
FULL_PAGES = (*PAGES, "/instances/heating", f"/jobs/{JOB}", "/nodes/m1")


def get(world: World, path: str, **headers: str) -> Response:
    """Ask as a browser does, as somebody who may do everything."""
    named = {"authorization": f"Bearer {TOKEN}", "accept": "text/html", **headers}
    return world.client.get(path, headers=named, follow_redirects=False)


def words_of(answer: Response) -> str:
    """Return what a reader sees of a page."""
    body = re.sub(r"<template.*?</template>|<svg.*?</svg>", " ", answer.text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


@pytest.fixture(name="full")
def a_full_world(world: World) -> World:
    """One instance with a job that runs on one node."""
    assert world.apply(schedule_file("heating")).status_code == 200
    world.write("put_schedule", instance="heating", next_due=NOON + timedelta(minutes=1))
    world.put_job(JOB, state="RUNNING", node="m1")
    world.write("put_event", job_id=JOB, at=NOON, from_state=None, to_state="RUNNING")
    verdict = {"node": "m1", "cpu": 0.2, "ram": 0.4, "load": 0.27, "sample_age_s": 1.0, "jobs": 0,
               "verdict": "chosen"}  # fmt: skip
    world.put_deployment(JOB, explanation=[verdict])
    world.write("put_node", node="m1", log_port=1, at=NOON)
    world.hear_load("m1", 0.25)
    return world


@pytest.mark.parametrize("path", PAGES)
def test_a_platform_without_anything_says_why_and_what_to_do(world: World, path: str) -> None:
    answer = get(world, path)
    assert answer.status_code == 200, answer.text[:500]
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("path", "said"), [
    ("/", "Nothing is scheduled yet"), ("/", "No node has reported yet"),
    ("/instances", "Upload a schedule file"), ("/jobs", "The ledger is empty"),
    ("/nodes", "rota platform up"), ("/services", "no heartbeat heard"),
    ("/jobs?show=failed", "These filters leave nothing over"),
])  # fmt: skip
def test_what_an_empty_screen_says(world: World, path: str, said: str) -> None:
    assert said in words_of(get(world, path))


@pytest.mark.parametrize("path", FULL_PAGES)
def test_every_screen_shows_rows(full: World, path: str) -> None:
    answer = get(full, path)
    assert answer.status_code == 200, answer.text[:500]


@pytest.mark.parametrize(("path", "said"), [
    ("/", "heating"), ("/instances", "every 1 min from 2026-03-02 00:00, for 5 s"),
    ("/instances/heating", "rota/demo-app:dev"), ("/jobs", "heating"), (f"/jobs/{JOB}", "chosen"),
    (f"/jobs/{JOB}", "Why on m1"), ("/nodes", "25 %"), ("/nodes/m1", "zone=a"),
    ("/audit", "instance.added"), ("/users", "admin"),
])  # fmt: skip
def test_what_a_screen_says(full: World, path: str, said: str) -> None:
    assert said in words_of(get(full, path))


@pytest.mark.parametrize("path", FULL_PAGES)
def test_no_page_has_anything_inline(full: World, path: str) -> None:
    text = re.sub(r"<template.*?</template>", "", get(full, path).text, flags=re.DOTALL)
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=", text)


def test_what_people_and_programs_write_is_text_not_markup(full: World) -> None:
    full.put_job("heating.20260302T115800Z.0", state="FAILED", reason="<img src=x>")
    assert "<img src=x>" not in get(full, "/jobs").text
    assert "&lt;img src=x&gt;" in get(full, "/jobs").text


def test_a_stranger_is_led_to_the_login_and_back(world: World) -> None:
    answer = world.client.get("/jobs?show=failed", headers={"accept": "text/html"},
                              follow_redirects=False)  # fmt: skip
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/jobs%3Fshow%3Dfailed")
    logged_in = world.client.post(answer.headers["location"], follow_redirects=False,
                                  data={"name": "admin", "password": PASSWORD})  # fmt: skip
    assert (logged_in.status_code, logged_in.headers["location"]) == (303, "/jobs?show=failed")


@pytest.mark.parametrize("elsewhere", [
    "https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)",
])  # fmt: skip
def test_a_login_never_leads_to_another_site(world: World, elsewhere: str) -> None:
    answer = world.client.post("/login", params={"next": elsewhere}, follow_redirects=False,
                               data={"name": "admin", "password": PASSWORD})  # fmt: skip
    assert answer.headers["location"] == "/"


def test_a_wrong_password_is_told_on_the_form_which_keeps_the_name(world: World) -> None:
    answer = world.client.post("/login", data={"name": "admin", "password": "no"})
    assert answer.status_code == 401
    assert "The name or the password is wrong." in words_of(answer)
    assert 'value="admin"' in answer.text


def test_what_is_not_there_is_a_page_for_people_and_a_problem_for_programs(world: World) -> None:
    page = get(world, "/nodes/nobody")
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is nothing here" in words_of(page)
    program = get(world, "/nodes/nobody", accept="application/json")
    assert program.headers["content-type"] == "application/problem+json"


def test_a_live_region_that_fails_gets_no_page_in_its_place(world: World) -> None:
    answer = get(world, "/nodes/nobody", **{"hx-request": "true"})
    assert answer.headers["content-type"] == "application/problem+json"


def plan(world: World, text: str) -> Response:
    return world.client.post("/upload/plan", data={"text": text, "name": "f.yml"},
                             headers={"authorization": f"Bearer {TOKEN}"})  # fmt: skip


def test_a_plan_tells_what_would_change_and_writes_nothing(full: World) -> None:
    answer = plan(full, schedule_file("heating", "lights"))
    assert "1 added" in words_of(answer)
    assert "1 unchanged" in words_of(answer)
    assert re.search(r"now 1 0\.1 64 MiB .* with this plan 2 0\.2 128 MiB", words_of(answer))
    assert [row["instance"] for row in full.get("/schedules")["items"]] == ["heating"]


def test_problems_stand_at_their_lines(world: World) -> None:
    answer = plan(world, schedule_file("heating").replace("interval: 1m", "intervall: 1m"))
    assert answer.status_code == 200
    assert 'id="line-6"' in answer.text
    assert "has-problem" in answer.text.split('id="line-6"')[0].rsplit("<div", 1)[1]
    assert "did you mean `interval`?" in words_of(answer)


def test_the_timelines_tile_has_the_ledgers_jobs_and_what_is_planned(full: World) -> None:
    since, until = NOON.timestamp() - 600, NOON.timestamp() + 600
    answer = get(full, f"/timeline/tile.json?row=heating&since={since}&until={until}").json()
    assert [(job[0], job[5], job[6]) for job in answer["jobs"]] == [("heating", "RUNNING", JOB)]
    assert [each[1] for each in answer["planned"]] == [NOON.timestamp() + 60 * n for n in range(10)]
    assert answer["bands"] == []


def test_the_timelines_rows_are_filtered_by_name(full: World) -> None:
    full.apply(schedule_file("lights"))
    assert get(full, "/timeline/rows.json").json()["rows"] == ["heating", "lights"]
    assert get(full, "/timeline/rows.json?q=ligh").json()["rows"] == ["lights"]
    assert get(full, "/timeline/rows.json?q=%25").json()["rows"] == []


def test_static_files_are_kept_for_long_only_under_their_contents_name(world: World) -> None:
    link = re.search(r'href="(/static/rota\.css\?v=[0-9a-f]{10})"', get(world, "/login").text)
    assert link is not None
    assert "immutable" in world.client.get(link[1]).headers["cache-control"]
    assert world.client.get("/static/live.js").headers["cache-control"] == "no-cache"


def test_the_reader_chooses_whose_clock_is_shown(full: World) -> None:
    cookies = "rota_zone=mine; rota_tz=Asia/Kolkata"
    assert "17:30:00" in words_of(get(full, "/audit", cookie=cookies))
    assert "12:00:00" in words_of(get(full, "/audit"))


def test_dead_letters_are_shown_with_what_is_wrong_and_where(world: World) -> None:
    producer = world.bus.producer()
    told = {"error": "UnreadableMessageError: not JSON", "topic": "job.events", "partition": 3,
            "offset": 17, "key": "a", "value": "<oops"}  # fmt: skip
    for value in (json.dumps(told), "not even a letter"):
        producer.send("job.events.dlq", "a", value.encode()).wait(1)
    world.parts.letters.run_once()
    said = words_of(get(world, "/services"))
    assert "job.events: 2" in said
    assert "partition 3, offset 17, key a UnreadableMessageError: not JSON" in said
    assert "&lt;oops" in said
    assert "not in the form of a dead letter" in said


def test_a_missing_dead_letter_topic_ends_nothing() -> None:
    letters = DeadLetters(MemoryBus(ManualClock(NOON)))
    assert letters.run_once() == AGAIN_AFTER_S
    assert letters.newest() == []


def test_what_a_drain_would_do_is_told_for_each_mode_before_it_is_asked_for(full: World) -> None:
    told = words_of(get(full, "/nodes/m1/drain"))
    assert f"1 job on m1: {JOB}" in told
    assert "Let its jobs end They go on to their end" in told
    assert "Move what can be moved Those with `on_node_lost: reschedule` begin anew" in told
    assert "Kill its jobs All of them are killed" in told
    assert get(full, "/nodes/nobody/drain").status_code == 404


def test_only_a_browsers_session_is_offered_a_password_to_change(full: World) -> None:
    assert "own-password" not in get(full, "/").text
    given = {"name": "admin", "password": PASSWORD}
    assert full.client.post("/api/v1/login", json=given).status_code == 200
    assert 'data-json-form="/api/v1/me/password"' in full.client.get("/").text
