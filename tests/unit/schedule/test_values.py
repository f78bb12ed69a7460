"""The small words: what is taken, and that anything else is a problem with a hint."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest

from common.schedule import values
from common.schedule.zones import zone_names

KOLKATA = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (values.read_time, "08:00", time(8)),
        (values.read_time, "00:00", time(0)),
        (values.read_time, "23:59:59", time(23, 59, 59)),
        (values.read_end_time, "24:00", None),
        (values.read_end_time, "00:00", time(0)),
        (values.read_moment, "2026-01-31T08:00", datetime(2026, 1, 31, 8)),
        (values.read_moment, "2026-01-31T08:00:05", datetime(2026, 1, 31, 8, 0, 5)),
        (values.read_moment, "2026-01-31T08:00Z", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        (values.read_moment, "2026-01-31T08:00:00+05:30", datetime(2026, 1, 31, 8, tzinfo=KOLKATA)),
        (values.read_date, "2028-02-29", date(2028, 2, 29)),
        (values.read_span, "1s", 1),
        (values.read_span, "010s", 10),
        (values.read_span, "90m", 5400),
        (values.read_span, "2h", 7200),
        (values.read_span, "1d", 86400),
        (values.read_interval, "1s", (1, "s")),
        (values.read_interval, "5m", (300, "s")),
        (values.read_interval, "24h", (86400, "s")),
        (values.read_interval, "1d", (1, "d")),
        (values.read_interval, "2w", (14, "d")),
        (values.read_interval, "3mo", (3, "mo")),
        (values.read_size, "1KiB", 1024),
        (values.read_size, "128MiB", 128 * 1024**2),
        (values.read_size, "2GiB", 2 * 1024**3),
        (values.read_days, "mon", {0}),
        (values.read_days, "sun", {6}),
        (values.read_days, "mon-fri", {0, 1, 2, 3, 4}),
        (values.read_days, "sat-sat", {5}),
    ],
)  # fmt: skip
def test_a_good_word_has_its_value(read: Callable[[str], object], text: str, value: object) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "texts"),
    [
        (values.read_time, "24:00 8:00 08:0 08 0800 08:60 25:00 08:00:60 8am 08:00Z -1:00 08:00:00.5"),
        (values.read_end_time, "24:01 24:00:00 25:00 midnight"),
        (values.read_moment, "2026-01-31 2026-01-31T8:00 2026-1-31T08:00 2026-02-30T08:00 2026-01-31T24:00 now"),
        (values.read_moment, "2026-01-31T08:00+5 2026-01-31T08:00+0530 2026-01-31T08:00z 20260131T0800"),
        (values.read_moment, "2026-01-31t08:00 0000-01-01T00:00 2026-01-31T08:00+24:00 2026-01-31T08:00:00.5"),
        (values.read_moment, "2026-13-01T00:00 2026-W01-1T00:00"),
        (values.read_date, "2026-02-29 2026-1-1 20260101 2026-01-01T00:00 2026-00-10 tomorrow 0000-01-01"),
        (values.read_span, "0s 0h 5 s m 5w 5mo 1.5h -5m 5M 5min 1h30m 5_0s 36601d"),
        (values.read_interval, "0s 0d 0mo 5 d 1y 1.5h -5m 5M 1h30m 1201mo 36601d 999999999999h"),
        (values.read_size, "0MiB 128 128MB 128M 1.5GiB 128mib -1MiB"),
        (values.read_days, "monday Mon MON mo 1 mon- -fri mon-wed-fri fri-mon mon,fri"),
    ],
)  # fmt: skip
def test_any_other_word_is_refused_with_what_was_expected(
    read: Callable[[str], object], texts: str
) -> None:
    for text in [*texts.split(), "", " 08:00", "1s\n"]:
        with pytest.raises(ValueError) as caught:
            read(text)
        assert str(caught.value)
        assert "isoformat" not in str(caught.value)


def test_zones_are_exactly_the_iana_names() -> None:
    assert {"UTC", "Europe/Berlin", "America/Argentina/Ushuaia", "Etc/GMT+5", "Asia/Kolkata", "CET"} <= zone_names()
    assert zone_names().isdisjoint({"PST", "+05:30", "UTC+2", "europe/berlin", "localtime", "posixrules", "right/UTC", "IST", ""})
    assert len(zone_names()) > 590
