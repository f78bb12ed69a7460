"""What the screens say."""

from datetime import UTC, datetime, timedelta

import pytest

from application_manager.dashboard import times, words
from common.job_words import REASONS
from common.jobs import JobState, Reason
from common.schedule import load

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def spec_of(schedule: str):
    text = f"version: 1\ninstances:\n  - id: a\n    app: b\n    schedule: {schedule}\n"
    loaded = load(text, "f.yml")
    assert not loaded.problems, loaded.problems
    return loaded.instances[0]


def test_every_state_and_reason_has_words():
    assert set(words.JOB_LOOKS) == set(JobState)
    assert set(REASONS) == set(Reason)
    assert len({(look.word, look.icon) for look in words.JOB_LOOKS.values()}) == len(JobState)


@pytest.mark.parametrize(("seconds", "said"), [
    (0.23, "230 ms"), (1.44, "1.4 s"), (9, "9 s"), (59.6, "1 min"), (61, "1 min 01 s"),
    (3600, "1 h"), (7500, "2 h 05 min"), (90000, "1 d 01 h"), (63_158_400, "2 y 01 d"), (-61, "-1 min 01 s"),
])  # fmt: skip
def test_spans(seconds, said):
    assert words.span_words(seconds) == said


@pytest.mark.parametrize(("code", "said"), [
    (None, ""), (0, "success"), (127, "the command was not found"),
    (137, "killed (SIGKILL): out of memory, or it ignored the stop signal"),
    (143, "stopped by SIGTERM, as asked"), (130, "interrupted (SIGINT)"),
    (42, "the application's own error code"), (129, "ended by signal SIGHUP"),
    (250, "the application's own error code"),
])  # fmt: skip
def test_exit_codes_in_words(code, said):
    assert words.exit_words(code) == said


@pytest.mark.parametrize(("schedule", "said"), [
    ('{start_time: "08:00", end_time: "18:00", days: [mon-fri], interval: 30m, duration: 5m}',
     "every 30 min from 08:00 to 18:00, Mon-Fri, for 5 min"),
    ('{start_time: "00:00", end_time: "24:00", interval: 30s}', "every 30 s from 00:00 to 24:00"),
    ('{cron: "0 */2 * * *"}', "every 2 h at :00 (cron 0 */2 * * *)"),
    ('{cron: "5 * * * *"}', "hourly at :05 (cron 5 * * * *)"),
    ('{cron: "30 6 * * *"}', "daily at 06:30 (cron 30 6 * * *)"),
    ('{cron: "30 6 * * mon"}', "cron 30 6 * * mon"), ('{cron: "0 */5 * * *"}', "cron 0 */5 * * *"),
    ('{cron: "@hourly"}', "cron @hourly"),
    ('{start_time: "07:30", days: [sat, sun]}', "daily at 07:30, Sat, Sun"),
    ('{start: "2026-03-01T08:00", interval: 1d}', "every day from 2026-03-01 08:00"),
    ('{start: "2026-03-01T08:00", interval: 2mo}', "every 2 months from 2026-03-01 08:00"),
    ('{start: "2026-03-01T08:00"}', "once at 2026-03-01 08:00:00"),
])  # fmt: skip
def test_schedules_in_words(schedule, said):
    assert words.schedule_words(spec_of(schedule)) == said


@pytest.mark.parametrize(("choice", "schedule_zone", "zone"), [
    ("utc", "Asia/Kolkata", "UTC"), ("mine", "Asia/Kolkata", "Europe/Berlin"),
    ("schedule", "Asia/Kolkata", "Asia/Kolkata"), ("schedule", None, "UTC"),
    ("nonsense", "Asia/Kolkata", "UTC"), ("schedule", "Not/There", "UTC"),
])  # fmt: skip
def test_whose_clock_is_shown(choice, schedule_zone, zone):
    assert times.zone_choice(choice, "Europe/Berlin").zone_for(schedule_zone) == zone


def test_an_instant_is_told_with_its_zone_and_how_far_it_is():
    moment = NOW + timedelta(minutes=90)
    assert times.absolute(moment, "Asia/Kolkata", NOW) == "19:00:00"
    assert times.abbreviation(moment, "Asia/Kolkata") == "IST"
    assert times.abbreviation(moment, "America/Sao_Paulo") == "-03:00"
    assert times.absolute(NOW - timedelta(days=2), "UTC", NOW) == "28 Feb 12:00:00"
    assert times.relative(moment, NOW) == "in 1 h 30 min"
    assert times.relative(NOW - timedelta(seconds=5), NOW) == "5 s ago"
    assert times.relative(NOW, NOW) == "now"


def test_only_what_is_over_a_minute_late_is_called_late():
    assert words.late_words(60_000) is None
    assert words.late_words(61_000) == "1 min 01 s"
    assert words.late_words(None) is None
