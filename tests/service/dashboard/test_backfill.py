"""The dialog that backfills an instance: what it tells, what it refuses, what it asks for."""

from __future__ import annotations

import html
import json
import re

import pytest

from application_manager.dashboard.backfill import UnclearRangeError, span_of
from tests.service.application_manager.bench import World, schedule_file
from tests.service.dashboard.test_screens import get, words_of

PATH = "/instances/b/backfill?first=2026-03-02T11:57&last=2026-03-02T11:59"


@pytest.fixture(name="missed")
def a_world_that_missed_some(world: World) -> World:
    """An instance due each minute, without a stop time, with one job in the range of `PATH`."""
    assert world.apply(schedule_file("b").replace(", duration: 5s", "")).status_code == 200
    world.put_job("b.20260302T115800Z.0", "MISSED")
    return world


def test_a_range_is_told_with_both_ends_before_anything_is_asked_for(missed: World) -> None:
    said = words_of(get(missed, PATH))
    assert "Due times 3 from 11:57:00 UTC to 11:59:00 UTC" in said
    assert "The first 11:57:00 UTC · 3 min ago" in said
    assert "The last 11:59:00 UTC · 1 min ago" in said
    assert "Would run 2 Left out 1: exists already" in said
    assert missed.read("requests") == []


def test_what_the_button_sends_is_what_was_shown(missed: World) -> None:
    text = get(missed, PATH).text
    sent = re.search(r"data-post=\"/api/v1(.*?)\" data-json='(.*?)'", text)
    assert sent is not None
    answer = missed.call("POST", sent[1], json.loads(html.unescape(sent[2])))
    assert answer.status_code == 202
    assert [f"{row['due']:%H:%M}" for row in missed.read("requests")] == ["11:57", "11:59"]
    assert "instance.backfill" in words_of(get(missed, "/audit"))


@pytest.mark.parametrize(("query", "said"), [
    ("first=2026-03-02T01:00&last=2026-03-02T11:00", "More than 100 due times; take a shorter"),
    ("first=2026-03-02T11:59&last=2026-03-02T11:58", "“from” is after “to”"),
    ("first=2026-03-02T11:59&last=2026-03-02T12:01", "The range ends ahead of now"),
    ("first=&last=2026-03-02T11:59", "“from” is not a date and a time"),
    ("first=0001-01-01T00:00&last=2026-03-02T11:59", "“from” is not a date and a time"),
    ("first=2026-03-02T11:59:10&last=2026-03-02T11:59:20", "Nothing is due between"),
    ("first=2026-03-02T11:58&last=2026-03-02T11:58", "Would run none Left out 1"),
])  # fmt: skip
def test_what_cannot_run_is_told_without_a_button_to_run_it(
    missed: World, query: str, said: str
) -> None:
    answer = get(missed, f"/instances/b/backfill?{query}")
    assert (answer.status_code, said in words_of(answer)) == (200, True), words_of(answer)
    assert "data-post" not in answer.text


def test_only_an_operator_may_look_and_only_at_what_there_is(missed: World) -> None:
    made = missed.call("POST", "/tokens", {"name": "looker", "role": "viewer"}).json()
    viewer = get(missed, PATH, authorization=f"Bearer {made['token']}")
    assert viewer.status_code == 403
    assert get(missed, "/instances/nobody/backfill?" + PATH.split("?")[1]).status_code == 404


def test_the_page_offers_it_where_an_instance_has_due_times_of_its_own(missed: World) -> None:
    page = get(missed, "/instances/b").text
    assert 'data-dialog="backfill"' in page
    assert 'value="2026-03-01T12:00"' in page


def test_an_offset_is_heeded_and_utc_is_meant_without_one() -> None:
    assert span_of("2026-03-02T16:30+05:30", "2026-03-02T12:00").first.hour == 11
    with pytest.raises(UnclearRangeError):
        span_of("tomorrow", "2026-03-02T12:00")
