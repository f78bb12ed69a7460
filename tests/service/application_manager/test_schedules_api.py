"""Uploading schedules: what is stored, refused, and published."""

from __future__ import annotations

import pytest

from common.bus.memory import Fault
from common.db import DatabaseUnavailableError
from common.db.memory import DatabaseCall
from common.messages import APP_INSTANCES
from tests.service.application_manager.bench import NOON, World, schedule_file
from tests.service.application_manager.bench import world as world_of

TWO = schedule_file("a", "b")


def test_a_plan_shows_what_would_change_and_changes_nothing(world: World) -> None:
    answer = world.plan(TWO)
    assert answer.status_code == 200
    made = answer.json()
    assert (made["added"], made["changed"], made["unchanged"]) == (2, 0, 0)
    dues = [each["due"] for each in made["changes"][0]["next"]]
    assert dues == [f"2026-03-02T12:0{minute}:00Z" for minute in (1, 2, 3, 4, 5)]
    assert made["changes"][0]["next"][0]["stop"] == "2026-03-02T12:01:05Z"
    assert answer.headers["etag"] == f'"{made["etag"]}"'
    assert world.get("/schedules")["items"] == []


def test_an_apply_is_stored_and_published_after_the_commit(world: World) -> None:
    assert world.apply(TWO).json()["added"] == 2
    assert world.wakes
    assert world.published() == []
    world.publisher.run_once()
    assert world.published() == ["a", "b"]
    world.publisher.run_once()
    assert world.published() == ["a", "b"]
    items = world.get("/schedules")["items"]
    assert [(i["instance"], i["state"], i["version"]) for i in items] == [
        ("a", "active", 1), ("b", "active", 1)
    ]  # fmt: skip


def test_an_unconfirmed_id_is_published_again(world: World) -> None:
    world.apply(schedule_file("a"))
    world.bus.inject(Fault.REFUSE, APP_INSTANCES)
    with pytest.raises(Exception, match="injected"):
        world.publisher.run_once()
    assert world.published() == []
    world.publisher.run_once()
    assert world.published() == ["a"]


def test_a_crash_between_sending_and_forgetting_only_repeats_the_id(world: World) -> None:
    world.apply(schedule_file("a"))

    def break_off(call: DatabaseCall) -> None:
        if call.query == "clear_outbox":
            raise DatabaseUnavailableError

    world.server.hook = break_off
    with pytest.raises(DatabaseUnavailableError):
        world.publisher.run_once()
    world.server.hook = lambda _: None
    world.publisher.run_once()
    assert world.published() == ["a", "a"]


def test_the_same_file_again_changes_nothing(world: World) -> None:
    world.apply(TWO)
    again = world.apply(TWO).json()
    assert (again["added"], again["unchanged"]) == (0, 2)
    assert world.get("/schedules/a")["version"] == 1


def test_a_changed_file_makes_a_new_version_and_names_the_fields(world: World) -> None:
    world.apply(TWO)
    made = world.apply(schedule_file("a", more="priority: 70")).json()
    assert made["changes"] == [
        {"kind": "changed", "instance": "a", "version": 2, "fields": ["priority"]}
    ]
    assert world.get("/schedules/a")["spec"]["priority"] == 70


def test_only_prune_removes_what_no_file_names(world: World) -> None:
    world.apply(TWO)
    assert world.apply(schedule_file("a")).json()["removed"] == 0
    pruned = world.apply(schedule_file("a"), prune=True).json()
    assert (pruned["unchanged"], pruned["removed"]) == (1, 1)
    assert [i["instance"] for i in world.get("/schedules")["items"]] == ["a"]
    assert world.call("GET", "/schedules/b").status_code == 404


def test_a_deleted_instance_that_comes_back_goes_on_counting_versions(world: World) -> None:
    world.apply(schedule_file("a"))
    assert world.call("DELETE", "/schedules/a").json() == {"removed": ["a"]}
    assert world.apply(schedule_file("a")).json()["added"] == 1
    assert world.get("/schedules/a")["version"] == 3


def test_every_problem_is_told_with_its_line_and_nothing_is_stored(world: World) -> None:
    wrong = TWO.replace("command:", "comand:")
    answer = world.apply(wrong, schedule_file("c"))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["code"], body["status"]) == ("invalid_files", 422)
    assert [(e["file"], e["line"], e["code"]) for e in body["errors"]] == [
        ("f0.yml", 5, "unknown_key"), ("f0.yml", 9, "unknown_key")
    ]  # fmt: skip
    assert "did you mean" in body["errors"][0]["hint"]
    assert world.get("/schedules")["items"] == []


def test_a_parent_may_be_on_the_platform(world: World) -> None:
    child = schedule_file("child", more="depends_on: [{instance: a}]")
    assert world.apply(child).json()["errors"][0]["code"] == "unknown_parent"
    world.apply(schedule_file("a"))
    assert world.apply(child).status_code == 200


def test_a_cycle_through_the_platform_is_refused_with_its_path(world: World) -> None:
    world.apply(schedule_file("a"))
    world.apply(schedule_file("b", more="depends_on: [{instance: a}]"))
    answer = world.apply(schedule_file("a", more="depends_on: [{instance: b}]"))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["message"] == "these wait for each other: a → b → a"


def test_a_parent_is_not_deleted_under_its_children_unless_asked(world: World) -> None:
    world.apply(schedule_file("a"))
    world.apply(schedule_file("b", more="depends_on: [{instance: a}]"))
    world.apply(schedule_file("c", more="depends_on: [{instance: b}]"))
    refused = world.call("DELETE", "/schedules/a")
    assert refused.status_code == 409
    assert "b, c" in refused.json()["detail"]
    assert world.call("DELETE", "/schedules/a?cascade=true").json()["removed"] == ["a", "b", "c"]
    assert world.get("/schedules")["items"] == []


def test_an_apply_is_bound_to_the_plan_that_was_shown(world: World) -> None:
    etag = world.plan(TWO).headers["etag"]
    world.apply(schedule_file("a"))
    assert world.apply(TWO, if_match=etag).status_code == 409
    etag = world.plan(TWO).headers["etag"]
    assert world.apply(TWO, if_match=etag).json()["added"] == 1


def test_the_same_idempotency_key_answers_the_same_and_does_nothing(world: World) -> None:
    first = world.apply(schedule_file("a"), idempotency_key="k1")
    again = world.apply(schedule_file("a"), idempotency_key="k1")
    assert again.json() == first.json()
    assert world.apply(schedule_file("b"), idempotency_key="k1").status_code == 409
    assert world.get("/schedules/a")["version"] == 1


def test_an_upload_whose_commit_broke_off_is_a_503_and_takes_effect_once(world: World) -> None:
    def lose_answer(call: DatabaseCall) -> None:
        if call.step == "committed" and world.server.hook is lose_answer:
            world.server.hook = lambda _: None
            raise DatabaseUnavailableError

    body = {"files": [{"name": "f", "text": schedule_file("a")}]}
    world.parts.people.by_token("warm")  # the token's own transaction is not the one to lose
    calls = iter(range(2))

    def after_the_token(call: DatabaseCall) -> None:
        if call.step == "committed" and next(calls, None) == 0:
            world.server.hook = lose_answer

    world.server.hook = after_the_token
    answer = world.call("POST", "/schedules/apply", body, idempotency_key="k")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    again = world.call("POST", "/schedules/apply", body, idempotency_key="k")
    assert (again.status_code, again.json()["added"]) == (200, 1)
    world.publisher.run_once()
    assert world.published() == ["a"]
    assert world.get("/schedules/a")["version"] == 1


@pytest.mark.parametrize("body", [
    {}, {"files": []}, {"files": [{"name": "a"}]}, {"files": "x"}, {"files": [], "prune": 7},
    {"files": [{"name": "a", "text": "x", "extra": 1}]},
])  # fmt: skip
def test_a_malformed_request_is_a_problem_not_a_crash(world: World, body: object) -> None:
    answer = world.call("POST", "/schedules/apply", body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_request"


def test_an_upload_of_more_than_four_mebibytes_is_refused(world: World) -> None:
    files = [{"name": str(n), "text": "x" * 280_000} for n in range(16)]
    answer = world.call("POST", "/schedules/apply", {"files": files})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_cycle_is_told_at_its_place_in_the_file(world: World) -> None:
    world.apply(schedule_file("a"))
    world.apply(schedule_file("b", more="depends_on: [{instance: a}]"))
    answer = world.apply(schedule_file("x"), schedule_file("a", more="depends_on: [{instance: b}]"))
    (error,) = answer.json()["errors"]
    assert (error["file"], error["line"], error["column"]) == ("f1.yml", 3, 9)


def test_only_images_that_the_operator_allows_are_taken() -> None:
    with world_of(allowed=["registry.example/*", "rota/demo-app:dev"]) as made:
        assert made.apply(schedule_file("a")).status_code == 200
        foreign = schedule_file("a", "b").replace("rota/demo-app:dev", "evil/miner:1")
        answer = made.apply(foreign)
        assert [(e["code"], e["line"]) for e in answer.json()["errors"]] == [
            ("image_not_allowed", 3), ("image_not_allowed", 7)
        ]  # fmt: skip
        assert made.get("/schedules/a")["image"] == "rota/demo-app:dev"


def test_a_secret_that_the_platform_does_not_have_is_named_and_what_is_stored_stays() -> None:
    with world_of(secrets=["db-password"]) as made:
        assert made.apply(schedule_file("a", more="secrets: [db-password]")).status_code == 200
        errors = made.apply(schedule_file("b", more="secrets: [db-pasword, other]")).json()["errors"]
        assert [(e["code"], e["line"], e["hint"]) for e in errors] == [
            ("unknown_secret", 3, "did you mean `db-password`?"),
            ("unknown_secret", 3, "rota platform secrets set other, then rota platform up"),
        ]  # fmt: skip
    with world_of() as made:  # where nobody knows the names, its machine will tell
        assert made.apply(schedule_file("a", more="secrets: [other]")).status_code == 200


def test_a_plan_tells_the_highest_load_before_and_after(world: World) -> None:
    world.write("put_node", node="m1", at=NOON, log_port=1)
    world.apply(schedule_file("a"))
    world.apply(schedule_file("paused"))
    world.call("POST", "/schedules/paused/pause", {"reason": "later"})
    effect = world.plan(schedule_file("b", "c", "paused", more="priority: 9")).json()["capacity"]
    assert (effect["before"]["jobs"], effect["after"]["jobs"]) == (1, 3)
    assert (effect["nodes"], effect["cpus"], effect["is_estimated"]) == (1, 2, False)
    gone = world.plan(schedule_file("b"), prune=True).json()["capacity"]
    assert (gone["before"]["jobs"], gone["after"]["jobs"]) == (1, 1)
