"""What people ask of jobs, instances and nodes: rows for those who decide."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.service.application_manager.bench import NOON, World, schedule_file

JOB = "a.20260302T115900Z.0"


@pytest.fixture(name="world")
def with_an_instance(world: World) -> World:
    world.apply(schedule_file("a"))
    world.publisher.run_once()
    return world


def requests(world: World) -> list[tuple[object, ...]]:
    return [(r["kind"], r["instance_id"], r["job_id"], bool(r["forced"])) for r in world.read("requests")]


@pytest.mark.parametrize(("path", "body", "row"), [
    (f"/jobs/{JOB}/kill", None, ("kill", "a", JOB, False)),
    (f"/jobs/{JOB}/retry", None, ("retry", "a", JOB, False)),
    (f"/jobs/{JOB}/retry", {"forced": True}, ("retry", "a", JOB, True)),
    ("/schedules/a/run", None, ("run", "a", None, False)),
    ("/schedules/a/run", {"forced": True}, ("run", "a", None, True)),
    ("/schedules/a/skip", None, ("skip", "a", None, False)),
])  # fmt: skip
def test_a_wish_is_a_row_that_wakes_the_scheduler_and_its_outcome_is_told(
    world: World, path: str, body: object, row: tuple[object, ...]
) -> None:
    world.put_job(JOB)
    answer = world.call("POST", path, body)
    assert answer.status_code == 202
    assert requests(world) == [row]
    world.publisher.run_once()
    assert world.published() == ["a", "a"]
    key = answer.json()["request"]
    assert world.get(f"/requests/{key}")["outcome"] == "pending"
    (stored,) = world.read("request_keys")
    world.write("put_outcome", request_id=stored["request_id"], outcome="refused", detail="no", at=NOON)
    told = world.get(f"/requests/{key}")
    assert (told["outcome"], told["detail"], told["requested_by"]) == ("refused", "no", "token:initial")


@pytest.mark.parametrize("path", ["/schedules/z/run", "/schedules/z/skip", "/schedules/z/resume",
                                  f"/jobs/{JOB}/retry", "/nodes/m9/drain"])  # fmt: skip
def test_a_wish_of_what_is_not_there_is_a_404_and_no_row(world: World, path: str) -> None:
    assert world.call("POST", path).status_code == 404
    assert requests(world) == []
    assert world.read("node_requests") == []


def test_a_skip_may_name_its_due_time(world: World) -> None:
    world.call("POST", "/schedules/a/skip", {"due": "2026-03-02T13:00:00Z"})
    assert str(world.read("requests")[0]["due"]).startswith("2026-03-02 13:00")


@pytest.mark.parametrize("due", [
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "0999-12-31T23:59:59Z", "9999-01-01T00:00:00Z",
])  # fmt: skip
def test_an_instant_beyond_what_can_be_reckoned_with_is_refused(world: World, due: str) -> None:
    world.apply(schedule_file("a"))
    for verb, body in (("skip", {"due": due}), ("backfill", {"after": due, "until": due})):
        answer = world.call("POST", f"/schedules/a/{verb}", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_time_without_an_offset_is_refused(world: World) -> None:
    assert world.call("POST", "/schedules/a/skip", {"due": "2026-03-02T13:00:00"}).status_code == 422


def test_a_backfill_shows_first_and_then_asks_only_for_what_is_missing(world: World) -> None:
    no_stop = schedule_file("b").replace(", duration: 5s", "")
    world.apply(no_stop)
    world.put_job("b.20260302T115800Z.0", "MISSED")
    span = {"after": "2026-03-02T11:56:00Z", "until": "2026-03-02T11:59:00Z"}
    shown = world.call("POST", "/schedules/b/backfill", span).json()
    assert [(i["due"], i["verdict"]) for i in shown["items"]] == [
        ("2026-03-02T11:57:00Z", "would run"),
        ("2026-03-02T11:58:00Z", "exists already"),
        ("2026-03-02T11:59:00Z", "would run"),
    ]
    assert requests(world) == []
    done = world.call("POST", "/schedules/b/backfill", {**span, "preview": False}).json()
    assert len(done["requests"]) == 2
    dues = [str(r["due"])[11:16] for r in world.read("requests")]
    assert dues == ["11:57", "11:59"]


def test_a_backfill_says_where_a_stop_time_is_over_already(world: World) -> None:
    span = {"after": "2026-03-02T11:58:30Z", "until": "2026-03-02T11:59:30Z"}
    (only,) = world.call("POST", "/schedules/a/backfill", span).json()["items"]
    assert only["verdict"] == "its stop time is over"


def test_a_backfill_is_bounded(world: World) -> None:
    span = {"after": "2026-03-02T01:00:00Z", "until": "2026-03-02T11:00:00Z"}
    answer = world.call("POST", "/schedules/a/backfill", span)
    assert (answer.status_code, requests(world)) == (409, [])


def test_a_backfill_is_of_the_past(world: World) -> None:
    for until, status in [("2026-03-02T12:00:00Z", 202), ("2026-03-02T12:00:01Z", 409)]:
        span = {"after": "2026-03-02T11:58:30Z", "until": until}
        for preview in (True, False):
            asked = {**span, "preview": preview}
            assert world.call("POST", "/schedules/a/backfill", asked).status_code == status, asked


def test_a_pause_needs_a_reason_and_is_shown_with_it(world: World) -> None:
    assert world.call("POST", "/schedules/a/pause", {"reason": ""}).status_code == 422
    world.call("POST", "/schedules/a/pause", {"reason": "boiler is mended"})
    shown = world.get("/schedules/a")
    assert (shown["state"], shown["pause_reason"], shown["paused_by"], shown["next"]) == (
        "paused", "boiler is mended", "token:initial", []
    )  # fmt: skip
    world.apply(schedule_file("a", more="priority: 9"))
    assert world.get("/schedules/a")["state"] == "paused", "a new version does not end a pause"
    world.call("POST", "/schedules/a/resume")
    assert world.get("/schedules/a")["state"] == "active"


def test_each_change_of_a_pause_is_kept_with_its_time(world: World) -> None:
    for verb in ("pause", "pause", "resume", "pause"):
        world.call("POST", f"/schedules/a/{verb}", {"reason": "boiler is mended"})
        world.clock.advance(timedelta(minutes=1))
    changes = [(bool(row["is_paused"]), row["changed_at"]) for row in world.read("pauses")]
    assert changes == [
        (wish, NOON + timedelta(minutes=m)) for wish, m in ((True, 0), (False, 2), (True, 3))
    ]  # fmt: skip


def test_history_tells_what_each_version_changed_and_rollback_makes_a_new_one(world: World) -> None:
    world.apply(schedule_file("a", more="priority: 9"))
    newest, first = world.get("/schedules/a/history")["items"]
    assert (newest["version"], newest["changes"]) == (
        2, [{"key": "priority", "old": None, "new": 9}]
    )  # fmt: skip
    assert first["kind"] == "added"
    assert world.call("POST", "/schedules/a/rollback", {"version": 1}).json()["version"] == 3
    assert "priority" not in world.get("/schedules/a")["spec"]
    assert world.get("/schedules/a/diff?old=1&new=3")["items"] == []
    assert world.get("/schedules/a/diff?old=2&new=3")["items"] == [
        {"key": "priority", "old": 9, "new": None}
    ]
    assert world.get("/schedules/a/history")["items"][0]["kind"] == "rolled_back"


def test_a_rollback_to_a_version_that_never_was_is_a_404(world: World) -> None:
    assert world.call("POST", "/schedules/a/rollback", {"version": 7}).status_code == 404


def test_a_rollback_does_not_bring_back_a_lost_parent(world: World) -> None:
    world.apply(schedule_file("b", more="depends_on: [{instance: a}]"))
    world.apply(schedule_file("b"))
    world.call("DELETE", "/schedules/a")
    answer = world.call("POST", "/schedules/b/rollback", {"version": 1})
    assert (answer.status_code, "waits for a" in answer.json()["detail"]) == (409, True)


@pytest.mark.parametrize(("verb", "wish"), [
    ("drain", "DRAINING"), ("drain?mode=move", "DRAINING:move"), ("drain?mode=force", "DRAINING:force"),
    ("uncordon", ""),
])  # fmt: skip
def test_a_drain_is_a_wish_that_the_node_manager_reads(world: World, verb: str, wish: str) -> None:
    world.write("put_node", node="m1", at=NOON, log_port=1)
    assert world.call("POST", f"/nodes/m1/{verb}").status_code == 202
    assert world.read("node_requests") == [{"node_id": "m1", "wish": wish}]


def test_a_plan_names_the_jobs_that_it_would_cancel(world: World) -> None:
    world.put_job(JOB)
    world.apply(schedule_file("b"))
    assert world.plan(schedule_file("b")).json()["cancelled_jobs"] == []
    assert world.plan(schedule_file("b"), prune=True).json()["cancelled_jobs"] == [JOB]
