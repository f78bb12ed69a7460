"""The forms of the HTTP API that others build on, written out: problems, pages, versions, events."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.service.application_manager.bench import NOON, World, schedule_file

JOB = "a.20260302T120100Z.0"
PROBLEM = {"type", "title", "status", "code", "detail"}
ERROR = {"file", "line", "column", "path", "code", "message", "hint"}
SPAN = {"after": "2026-03-02T11:00:00Z", "until": "2026-03-02T11:30:00Z"}
LISTS = ("/schedules", "/schedules/a/history", "/jobs", "/nodes", "/services", "/applications", "/users",
         "/tokens", "/audit", "/notices", "/notices/channels")  # fmt: skip


@pytest.mark.parametrize(("call", "status", "code"), [
    (("GET", "/nothing", None), 404, "not_found"),
    (("PATCH", "/jobs", None), 405, "method_not_allowed"),
    (("GET", "/jobs/b.20260302T120100Z.0", None), 404, "no_such_job"),
    (("GET", "/schedules/b", None), 404, "no_such_instance"),
    (("GET", "/nodes/m9", None), 404, "no_such_node"),
    (("GET", "/requests/00000000000000000000000000000000", None), 404, "no_such_request"),
    (("POST", "/schedules/a/rollback", {"version": 9}), 404, "no_such_version"),
    (("DELETE", "/applications/b", None), 404, "not_registered"),
    (("POST", f"/jobs/{JOB}/kill", None), 409, "job_has_ended"),
    (("POST", "/users", {"name": "admin", "password": "x" * 20, "role": "viewer"}), 409, "exists_already"),
    (("POST", "/login", {"name": "x", "password": "y"}), 401, "login_refused"),
    (("GET", "/jobs?limit=0", None), 422, "invalid_request"),
    (("GET", "/jobs?cursor=x", None), 422, "invalid_cursor"),
    (("POST", "/schedules/plan", {"files": [{"name": "f", "text": "a: 1"}]}), 422, "invalid_files"),
], ids=str)  # fmt: skip
def test_a_refusal_is_a_problem_with_its_code(
    world: World, call: tuple[str, str, Any], status: int, code: str
) -> None:
    world.apply(schedule_file("a"))
    world.put_job(JOB, "SUCCEEDED")
    answer = world.call(*call)
    told = answer.json()
    assert (answer.status_code, told["status"], told["code"]) == (status, status, code), told
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(told) >= PROBLEM
    more = {"errors"} if code in ("invalid_request", "invalid_files") else set()
    assert set(told) - PROBLEM == more
    assert all(set(each) == ERROR for each in told.get("errors", []))


@pytest.mark.parametrize("path", LISTS)
def test_a_list_has_items_and_where_it_goes_on(world: World, path: str) -> None:
    world.apply(schedule_file("a"))
    page = world.get(path)
    assert isinstance(page["items"], list)
    assert page["next_cursor"] is None


def test_an_apply_is_bound_to_the_version_that_its_plan_showed(world: World) -> None:
    etag = world.plan(schedule_file("a")).headers["etag"]
    world.apply(schedule_file("a", more="priority: 9"))
    late = world.apply(schedule_file("a"), if_match=etag)
    assert (late.status_code, late.json()["code"]) == (409, "conflict")
    again = world.plan(schedule_file("a")).headers["etag"]
    assert world.apply(schedule_file("a"), if_match=again).status_code == 200


def test_an_event_of_the_stream_has_the_id_to_resume_after(world: World) -> None:
    feed = world.parts.feed
    world.put_job(JOB)

    async def told() -> list[bytes]:
        subscription = feed.subscribe()
        feed.run_once()
        world.write("put_event_at", event_id=7, job_id=JOB, at=NOON)
        feed.run_once()
        await asyncio.sleep(0)
        chunks = []
        while not subscription.queue.empty():
            chunks.append(subscription.queue.get_nowait())
        feed.unsubscribe(subscription)
        return [chunk for chunk in chunks if chunk is not None]

    (chunk,) = asyncio.run(told())
    assert chunk.startswith(b"id: 7\nevent: job\ndata: {")
    assert chunk.endswith(b"}\n\n")
