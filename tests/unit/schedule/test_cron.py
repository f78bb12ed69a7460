"""Five fields: what they take, Vixie's rule of the two day fields, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from common.schedule import Calendar, Recurrence
from common.schedule.cron import CronError, parse_cron


def days(text: str, month: str = "2026-03") -> list[int]:
    """The days of a month in UTC on which a cron text is due."""
    calendar = Calendar(Recurrence(form="cron", cron=text), "UTC")
    first = datetime.fromisoformat(f"{month}-01T00:00:00+00:00")
    found = calendar.due_between(first - timedelta(seconds=1), first + timedelta(days=30, hours=23), 5000)
    return sorted({due.day for due in found if due.month == first.month})


@pytest.mark.parametrize(
    ("text", "minutes", "hours"),
    [
        ("0 8 * * *", {0}, {8}),
        ("*/20 * * * *", {0, 20, 40}, set(range(24))),
        ("5-20/5 1-3 * * *", {5, 10, 15, 20}, {1, 2, 3}),
        ("0,30 22,23,0-2 * * *", {0, 30}, {22, 23, 0, 1, 2}),
        ("*/90 */25 * * *", {0}, {0}),
        ("59 23 * * *", {59}, {23}),
        ("@hourly", {0}, set(range(24))),
        ("@daily", {0}, {0}),
        ("@midnight", {0}, {0}),
        ("  @Daily ", {0}, {0}),
        ("00 08 * * *", {0}, {8}),
        ("*\t*  * * *", set(range(60)), set(range(24))),
    ],
)  # fmt: skip
def test_minutes_and_hours(text: str, minutes: set[int], hours: set[int]) -> None:
    cron = parse_cron(text)
    assert (cron.minutes, cron.hours) == (minutes, hours)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 0 * * *", list(range(1, 32))),
        ("0 0 13 * *", [13]),
        ("0 0 * * fri", [6, 13, 20, 27]),
        ("0 0 13 * FRI", [6, 13, 20, 27]),  # both restricted: either matches
        ("0 0 1,15 * sun", [1, 8, 15, 22, 29]),
        ("0 0 */2 * fri", [13, 27]),  # begins with *: not restricted, both must match
        ("0 0 13 * */7", []),  # Sunday the 13th: none in March 2026
        ("0 0 *,13 * fri", [6, 13, 20, 27]),
        ("0 0 13,* * fri", list(range(1, 32))),  # restricted by its first sign
        ("0 0 1-31 * fri", list(range(1, 32))),
        ("0 0 * * 0", [1, 8, 15, 22, 29]),
        ("0 0 * * 7", [1, 8, 15, 22, 29]),
        ("0 0 * * 0-7", list(range(1, 32))),
        ("0 0 * * 6-7", [1, 7, 8, 14, 15, 21, 22, 28, 29]),
        ("0 0 * * Mon-Wed/2", [2, 4, 9, 11, 16, 18, 23, 25, 30]),
        ("0 0 * * sun,SAT", [1, 7, 8, 14, 15, 21, 22, 28, 29]),
        ("0 0 * Mar *", list(range(1, 32))),
        ("0 0 * apr-JUN *", []),
        ("0 0 31 * *", [31]),
        ("@weekly", [1, 8, 15, 22, 29]),
        ("@monthly", [1]),
        ("@yearly", []),
    ],
)  # fmt: skip
def test_days_of_march_2026(text: str, expected: list[int]) -> None:
    assert days(text) == expected


def test_the_first_of_the_year() -> None:
    assert days("@yearly", "2026-01") == days("@annually", "2026-01") == [1]


def test_29_february_on_a_sunday_is_found_28_years_away() -> None:
    calendar = Calendar(Recurrence(form="cron", cron="0 0 29 2 */7"), "UTC")
    due = calendar.next_due(datetime(2004, 3, 1, tzinfo=UTC))
    assert due == datetime(2032, 2, 29, tzinfo=UTC)
    assert calendar.next_due(datetime(2088, 3, 1, tzinfo=UTC)) == datetime(2128, 2, 29, tzinfo=UTC)
    assert calendar.previous_due(datetime(2128, 2, 28, tzinfo=UTC)) == datetime(2088, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "* * * *", "* * * * * *", "* * * * * * *", "", "*", "@reboot", "@every 5m", "@fortnightly", "? * * * *", "* * ? * *",
        "* * L * *", "* * 15W * *", "* * * * 5L", "* * * * fri#2", "* * LW * *", "5/15 * * * *", "* 3/2 * * *", "* * * * mon/2",
        "30-10 * * * *", "* 22-6 * * *", "* * * * fri-mon", "* * * * sat-sun", "* * * dec-feb *", "60 * * * *", "* 24 * * *",
        "* * 0 * *", "* * 32 * *", "* * * 0 *", "* * * 13 *", "* * * * 8", "-1 * * * *", "*/0 * * * *", "1-5/0 * * * *",
        "1,,2 * * * *", ", * * * *", "1- * * * *", "-5 * * * *", "*-5 * * * *", "1-2-3 * * * *", "* * mon * *", "mon * * * *",
        "* * * * jan", "* * * mon *", "1.5 * * * *", "** * * * *", "*/ * * * *", "/5 * * * *", "\u0661 * * * *", "* * * * mond",
        "0 0 31 2 *", "0 0 30 feb *", "0 0 31 4,6,9,11 *", "0 0 30-31 2 *", "0 0 31 2 */2", "H * * * *", "* * * * * root",
    ],
)  # fmt: skip
def test_what_is_refused_has_a_hint(text: str) -> None:
    with pytest.raises(CronError) as caught:
        parse_cron(text)
    assert str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("text", ["0 0 31 2 mon", "0 0 29 2 *", "0 0 31 1,2 *", "0 0 */31 2 *"])
def test_what_comes_at_least_sometimes_is_taken(text: str) -> None:
    assert parse_cron(text).can_come


def test_hints_say_what_to_write() -> None:
    def hint(text: str) -> str:
        with pytest.raises(CronError) as caught:
            parse_cron(text)
        return caught.value.hint

    assert hint("5/15 * * * *") == "write 5-59/15"
    assert hint("* 22-6 * * *") == "write two ranges: 22-23,0-6"
    assert "seconds" in hint("0 * * * * *")
    assert "depends_on" in hint("@reboot")
