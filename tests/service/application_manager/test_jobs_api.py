"""Jobs and nodes as people read them, and what they ask of them."""

from __future__ import annotations

import base64
import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.service.application_manager.bench import NOON, World, schedule_file

KEYS = {
    "job_id", "instance", "due", "ordinal", "attempt", "state", "reason", "node", "started_at",
    "ended_at", "stop_at", "exit_code", "lateness_ms",
}  # fmt: skip


def job(minute: int, instance: str = "a") -> str:
    return f"{instance}.20260302T12{minute:02d}00Z.0"


def test_a_list_is_newest_first_and_paged_by_a_cursor(world: World) -> None:
    for minute in range(5):
        world.put_job(job(minute))
    seen: list[str] = []
    path = "/jobs?limit=2"
    for _ in range(3):
        page = world.get(path)
        seen += [each["job_id"] for each in page["items"]]
        path = f"/jobs?limit=2&cursor={page['next_cursor']}"
    assert seen == [job(minute) for minute in (4, 3, 2, 1, 0)]
    assert page["next_cursor"] is None
    assert set(page["items"][0]) >= KEYS


def test_jobs_are_filtered_by_instance_node_and_state(world: World) -> None:
    world.put_job(job(1), "RUNNING", node="m1")
    world.put_job(job(2), "FAILED", node="m2")
    world.put_job(job(3, "b"), "QUEUED")

    def listed(query: str) -> list[str]:
        return [each["job_id"] for each in world.get(f"/jobs?{query}")["items"]]

    assert listed("instance=a") == [job(2), job(1)]
    assert listed("node=m1") == [job(1)]
    assert listed("state=FAILED&state=QUEUED") == [job(3, "b"), job(2)]
    assert listed("state=QUEUED&state=RUNNING") == [job(3, "b"), job(1)]
    assert listed("state=RUNNING&instance=a&node=m1&limit=1") == [job(1)]
    assert listed("state=RUNNING&node=m2") == []
    assert listed("instance=nobody") == []


@pytest.mark.parametrize("list_of", ["jobs", "audit", "notices"])
@pytest.mark.parametrize("parts", [[-(10**30)], [2**63], ["0001-01-01T00:00:00+23:59", "x"]], ids=str)
def test_a_cursor_nobody_gave_is_refused(world: World, list_of: str, parts: list[object]) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")
    answer = world.call("GET", f"/{list_of}?cursor={cursor}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


@pytest.mark.parametrize("query", ["state=SLEEPING", "limit=0", "limit=99999", "cursor=%00", "cursor=e30"])
def test_a_filter_that_makes_no_sense_is_refused(world: World, query: str) -> None:
    assert world.call("GET", f"/jobs?{query}").status_code == 422


def test_what_is_due_next_is_listed_as_planned_where_asked(world: World) -> None:
    world.apply(schedule_file("a", more="instances: 2"))
    world.write("put_schedule", instance="a", next_due=NOON + timedelta(minutes=1))
    world.put_job("a.20260302T120100Z.0", "QUEUED")
    assert world.get("/jobs")["upcoming"] == []
    upcoming = world.get("/jobs?upcoming=true")["upcoming"]
    assert [(j["job_id"], j["state"]) for j in upcoming] == [("a.20260302T120100Z.1", "PLANNED")]
    assert set(upcoming[0]) >= KEYS


def test_a_job_shows_its_events_attempts_and_why_it_is_where_it_is(world: World) -> None:
    world.put_job(job(1), node="m1")
    world.write("put_event", job_id=job(1), at=NOON, from_state=None, to_state="QUEUED")
    world.write("put_event", job_id=job(1), at=NOON, from_state="QUEUED", to_state="RUNNING")
    candidates = [{"node": "m1", "cpu": 0.1, "ram": 0.2, "load": 0.13, "verdict": "chosen"}]
    world.put_deployment(job(1), explanation=candidates, why_not={"m2": "too busy"})
    found = world.get(f"/jobs/{job(1)}")
    assert [(e["from_state"], e["to_state"]) for e in found["events"]] == [
        (None, "QUEUED"), ("QUEUED", "RUNNING")
    ]  # fmt: skip
    assert found["attempts"][0]["node"] == "m1"
    explained = world.get(f"/jobs/{job(1)}/explain")
    assert explained["candidates"] == candidates
    assert explained["why_not"] == {"m2": "too busy"}


@pytest.mark.parametrize("verb", ["", "/explain", "/logs"])
def test_a_job_that_is_not_there_is_a_404(world: World, verb: str) -> None:
    answer = world.call("GET", f"/jobs/{job(9)}{verb}")
    assert answer.status_code == 404


def test_a_kill_is_a_request_of_the_scheduler_and_wakes_it(world: World) -> None:
    world.put_job(job(1))
    assert world.call("POST", f"/jobs/{job(1)}/kill").status_code == 202
    assert [(r["kind"], r["job_id"]) for r in world.read("requests")] == [("kill", job(1))]
    world.publisher.run_once()
    assert world.published() == ["a"]


def test_a_job_that_has_ended_is_not_killed(world: World) -> None:
    world.put_job(job(1), "SUCCEEDED")
    assert world.call("POST", f"/jobs/{job(1)}/kill").status_code == 409
    assert world.read("requests") == []


def test_nodes_have_their_last_load_and_their_jobs(world: World) -> None:
    world.write("put_node", node="m1", at=NOON, log_port=1)
    world.write("put_node", node="m2", at=NOON, log_port=1)
    world.put_deployment(job(1))
    world.hear_load("m1", 0.25)
    one, two = world.get("/nodes")["items"]
    assert (one["node"], one["cpu"], one["jobs"], one["labels"]) == ("m1", 0.25, 1, {"zone": "a"})
    assert one["sampled_at"] == "2026-03-02T12:00:00Z"
    assert (two["node"], two["load"], two["jobs"]) == ("m2", None, 0)
    assert world.get("/nodes/m1") == one
    assert world.call("GET", "/nodes/m3").status_code == 404


def test_an_older_sample_never_replaces_a_newer(world: World) -> None:
    world.write("put_node", node="m1", at=NOON, log_port=1)
    world.hear_load("m1", 0.25)
    world.clock.advance(timedelta(seconds=-10))
    world.hear_load("m1", 0.75)
    assert world.get("/nodes/m1")["cpu"] == 0.25


class _Client(BaseHTTPRequestHandler):
    """A platform client's log endpoint."""

    def do_GET(self) -> None:
        is_known = self.headers["Authorization"] == "Bearer client-token"
        is_there = self.path.split("?")[0] == f"/v1/logs/{job(1)}/1"
        body = f"hello {self.path.partition('?')[2]}".encode()
        self.send_response(200 if is_known and is_there else 404)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def test_logs_come_from_the_jobs_machine(world: World) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Client)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    world.write("put_node", node="m1", at=NOON, log_port=server.server_address[1])
    world.put_job(job(1))
    world.put_deployment(job(1))
    answer = world.call("GET", f"/jobs/{job(1)}/logs?tail=5&follow=true")
    server.shutdown()
    server.server_close()
    assert (answer.status_code, answer.text) == (200, "hello follow=1&tail=5")


def test_logs_of_a_machine_that_does_not_answer_are_told_so(world: World) -> None:
    world.write("put_node", node="m1", at=NOON, log_port=1)
    world.put_job(job(1))
    world.put_deployment(job(1))
    answer = world.call("GET", f"/jobs/{job(1)}/logs")
    assert answer.status_code == 502
    assert answer.json()["code"] == "machine_unreachable"
