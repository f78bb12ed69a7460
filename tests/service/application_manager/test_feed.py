"""The event stream's source: what is told, once, in order, and resumed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from application_manager.feed import MOST_AT_ONCE, MOST_QUEUED, Feed, Subscription
from tests.service.application_manager.bench import NOON, World, schedule_file

JOB = "a.20260302T120100Z.0"


def read(chunk: bytes) -> tuple[str, dict[str, Any]]:
    fields = dict(line.split(": ", 1) for line in chunk.decode().strip().splitlines())
    return fields["event"], json.loads(fields["data"])


def listen(feed: Feed, steps: Callable[[], None]) -> list[tuple[str, dict[str, Any]]]:
    """Subscribe, do the steps, and return what came."""

    async def run() -> list[bytes]:
        subscription = feed.subscribe()
        feed.run_once()
        steps()
        await asyncio.sleep(0)
        found = []
        while not subscription.queue.empty():
            found.append(subscription.queue.get_nowait())
        feed.unsubscribe(subscription)
        return [each for each in found if each is not None]

    return [read(chunk) for chunk in asyncio.run(run())]


def move(world: World, before: str | None, after: str) -> None:
    world.write("put_event", job_id=JOB, at=NOON, from_state=before, to_state=after)


def test_a_change_of_a_job_is_told_once_with_the_whole_job(world: World) -> None:
    feed = world.parts.feed
    world.put_job(JOB)
    move(world, None, "QUEUED")

    def steps() -> None:
        move(world, "QUEUED", "RUNNING")
        feed.run_once()
        feed.run_once()

    (told,) = listen(feed, steps)
    assert told[0] == "job"
    assert (told[1]["from_state"], told[1]["to_state"]) == ("QUEUED", "RUNNING")
    assert (told[1]["job"]["job_id"], told[1]["job"]["due"]) == (JOB, "2026-03-02T12:01:00Z")


def test_an_event_that_was_committed_after_a_later_one_is_told_too(world: World) -> None:
    feed = world.parts.feed
    world.put_job(JOB)

    def put(event_id: int) -> None:
        world.write("put_event_at", event_id=event_id, job_id=JOB, at=NOON)

    def steps() -> None:
        put(12)
        feed.run_once()
        put(11)
        feed.run_once()

    assert [told["event_id"] for _, told in listen(feed, steps)] == [12, 11]


def test_a_reader_resumes_after_the_last_event_it_saw(world: World) -> None:
    world.put_job(JOB)
    for event_id in (1, 5, 1005, 1006):
        world.write("put_event_at", event_id=event_id, job_id=JOB, at=NOON)
    assert [read(c)[1]["event_id"] for c in world.parts.feed.since(1005)] == [1005, 1006]


def test_a_reader_that_missed_too_much_is_told_to_read_everything_again(world: World) -> None:
    world.put_job(JOB)
    for event_id in range(1, MOST_AT_ONCE + 1):
        world.write("put_event_at", event_id=event_id, job_id=JOB, at=NOON)
    assert [read(c)[0] for c in world.parts.feed.since(0)] == ["reset"]


def test_only_the_nodes_that_changed_are_told_again(world: World) -> None:
    for node in ("m1", "m2"):
        world.write("put_node", node=node, at=NOON, log_port=1)
    feed = world.parts.feed

    def steps() -> None:
        feed.run_once()
        world.hear_load("m2", 0.5)
        feed.run_once()

    (told,) = listen(feed, steps)
    assert told[0] == "nodes"
    assert [(n["node"], n["cpu"]) for n in told[1]["items"]] == [("m2", 0.5)]
    assert told[1]["is_whole"] is False


def test_a_changed_instance_is_told_by_its_id(world: World) -> None:
    feed = world.parts.feed

    def steps() -> None:
        world.clock.advance(timedelta(seconds=1))
        world.apply(schedule_file("a"))
        feed.run_once()
        feed.run_once()

    assert listen(feed, steps) == [("schedules", {"instances": ["a"]})]


def test_the_greeting_tells_the_time_and_every_list(world: World) -> None:
    names = [read(chunk)[0] for chunk in world.parts.feed.greeting()[1:]]
    assert names == ["hello", "nodes", "services"]


def test_a_reader_that_does_not_keep_up_is_let_go() -> None:
    async def run() -> list[bytes | None]:
        subscription = Subscription(asyncio.get_running_loop())
        for number in range(MOST_QUEUED + 3):
            subscription.push(str(number).encode())
        await asyncio.sleep(0)
        return [subscription.queue.get_nowait() for _ in range(subscription.queue.qsize())]

    got = asyncio.run(run())
    assert got[-1] is None
    assert len(got) == MOST_QUEUED


def test_the_stream_needs_a_login_and_a_number(world: World) -> None:
    assert world.client.get("/api/v1/stream").status_code == 401
    assert world.call("GET", "/stream", last_event_id="x").status_code == 422


def test_the_stream_ends_when_the_service_stops(world: World) -> None:
    world.parts.stopping.set()
    answer = world.call("GET", "/stream")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "event: hello" in answer.text


@pytest.mark.parametrize("listening", [True, False])
def test_nothing_is_read_while_nobody_listens(world: World, listening: bool) -> None:
    queries: list[str] = []
    world.server.hook = lambda call: queries.append(call.query)
    if listening:
        listen(world.parts.feed, lambda: None)
    else:
        world.parts.feed.run_once()
    assert bool(queries) is listening
