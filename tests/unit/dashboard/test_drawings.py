"""What is drawn: the way of a job, a family of instances, the horizon, the curve, the feed."""

from datetime import UTC, datetime, timedelta

from application_manager.dashboard.calendar_feed import feed_of
from application_manager.dashboard.family import Edge, family_of
from application_manager.dashboard.journey import steps_of
from application_manager.domain.horizon import (
    MOST_DUES,
    Curve,
    Sums,
    Window,
    add_planned,
    end_of,
    horizon_of,
)
from common.schedule import load

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def spec_of(schedule, **more):
    lines = "".join(f"    {key}: {value}\n" for key, value in more.items())
    text = f"version: 1\ninstances:\n  - id: a\n    app: b\n    schedule: {schedule}\n{lines}"
    loaded = load(text, "f.yml")
    assert not loaded.problems, loaded.problems
    return loaded.instances[0]


def a_job(state, **more):
    return {"state": state, "due": NOW, "attempt": 1, "started_at": None, "ended_at": None, **more}


def event(to_state, after_s, attempt=1):
    return {"to_state": to_state, "attempt": attempt, "at": NOW + timedelta(seconds=after_s)}


def test_a_running_job_is_at_its_container_with_the_latency_of_each_hop():
    job = a_job("RUNNING", started_at=NOW + timedelta(seconds=2))
    placed = {"placed_at": NOW + timedelta(seconds=1.5)}
    steps = steps_of(job, placed, [event("QUEUED", 0.04), event("RUNNING", 2)])
    assert [step.name for step in steps] == ["Due", "Commanded", "Placed", "Container up", "End"]
    assert [step.hop for step in steps] == ["", "40 ms", "1.5 s", "500 ms", ""]
    assert [step.state for step in steps] == ["done", "done", "done", "now", "to come"]


def test_a_retried_job_shows_its_last_attempt():
    job = a_job("RUNNING", attempt=2, started_at=NOW + timedelta(seconds=60))
    steps = steps_of(job, None, [event("QUEUED", 0), event("QUEUED", 50, attempt=2)])
    assert steps[1].at == NOW + timedelta(seconds=50)


def test_a_missed_job_goes_straight_to_its_end():
    job = a_job("MISSED", ended_at=NOW + timedelta(minutes=3))
    steps = steps_of(job, None, [event("MISSED", 180)])
    assert [(step.name, step.state) for step in steps] == [("Due", "done"), ("Missed", "done")]


def test_a_family_stands_in_columns_from_its_eldest_to_its_youngest():
    edges = [Edge("a", "b", "success"), Edge("b", "c", "failure"), Edge("x", "c", "done")]
    graph = family_of("b", edges)
    assert graph is not None
    columns = {box.name: box.x for box in graph.boxes}
    assert columns["a"] < columns["b"] < columns["c"]
    assert "x" not in columns  # another parent of a child is not of this family
    assert [(edge.parent, edge.child) for edge in graph.edges] == [("a", "b"), ("b", "c")]


def test_a_family_with_a_circle_is_drawn_all_the_same():
    graph = family_of("a", [Edge("a", "b", "success"), Edge("b", "a", "success")])
    assert graph is not None
    assert {box.name for box in graph.boxes} == {"a", "b"}


def test_an_instance_alone_has_no_drawing():
    assert family_of("a", [Edge("b", "c", "success")]) is None


def test_what_is_planned_ends_as_usual_but_never_past_the_stop_time():
    stop = NOW + timedelta(minutes=10)
    assert end_of(NOW, stop, 120) == NOW + timedelta(minutes=2)
    assert end_of(NOW, stop, 7200) == stop
    assert end_of(NOW, stop, None) == stop
    assert end_of(NOW, None, None) == NOW + timedelta(seconds=60)


def test_due_times_in_a_window_are_told_one_by_one_from_its_first_instant_on():
    found = horizon_of(spec_of('{cron: "0 * * * *"}'), Window(NOW, NOW + 3 * HOUR), 60)
    assert [each.due for each in found.planned] == [NOW + n * HOUR for n in range(3)]
    assert found.band is None


def test_very_many_due_times_are_told_as_a_band_with_their_step():
    spec = spec_of('{start: "2026-03-01T00:00:00Z", interval: 30s}')
    found = horizon_of(spec, Window(NOW, NOW + timedelta(days=7)), 10)
    assert found.planned == ()
    assert found.band is not None
    assert (found.band.since, found.band.step_s) == (NOW, 30.0)
    assert found.band.until == NOW + timedelta(days=7)
    assert MOST_DUES * 30 < 7 * 86400


def test_the_curve_averages_what_runs_over_each_step():
    curve = Curve.empty(Window(NOW, NOW + HOUR), timedelta(minutes=15))
    curve.add(NOW - HOUR, NOW + timedelta(minutes=15), cpus=2.0)
    curve.add(NOW + timedelta(minutes=40), NOW + timedelta(minutes=50), cpus=1.0)
    assert [round(value, 3) for value in curve.jobs] == [1, 0, 0.333, 0.333]
    assert [round(value, 3) for value in curve.cpus] == [2, 0, 0.333, 0.333]


def test_many_spans_summed_give_the_same_curve_as_one_by_one():
    window, step = Window(NOW, NOW + HOUR), timedelta(minutes=15)
    spans = [(-20, 5), (-20, 40), (3, 9), (3, 50), (20, 44), (59, 75)]  # minutes
    single, summed = Curve.empty(window, step), Curve.empty(window, step)
    for begin, end in spans:
        single.add(NOW + timedelta(minutes=begin), NOW + timedelta(minutes=end), cpus=0.5)
        first, first_part = divmod(begin / 15, 1)
        last, last_part = divmod(end / 15, 1)
        summed.add_sums(int(first), int(last), Sums(1, first_part, last_part),
                        Sums(0.5, 0.5 * first_part, 0.5 * last_part))  # fmt: skip
    assert [round(value, 6) for value in summed.jobs] == [round(value, 6) for value in single.jobs]
    assert [round(value, 6) for value in summed.cpus] == [round(value, 6) for value in single.cpus]


def test_a_sample_of_the_schedules_stands_for_all_and_the_past_is_left_alone():
    curve = Curve.empty(Window(NOW - HOUR, NOW + HOUR), timedelta(minutes=30))
    spec = spec_of('{cron: "0 * * * *", duration: 30m}', resources="{cpus: 0.5}")
    add_planned(curve, [(spec, None)], NOW - timedelta(seconds=1), weight=4.0)
    assert [round(value, 2) for value in curve.jobs] == [0, 0, 4, 0]
    assert [round(value, 2) for value in curve.cpus] == [0, 0, 2, 0]


def test_the_feed_is_an_icalendar_with_an_event_for_each_due_time():
    spec = spec_of('{cron: "0 */6 * * *", duration: 10m}')
    text = feed_of([spec], Window(NOW, NOW + timedelta(hours=12)))
    lines = text.split("\r\n")
    assert lines[0] == "BEGIN:VCALENDAR"
    assert lines[-2:] == ["END:VCALENDAR", ""]
    assert [line for line in lines if line.startswith("DTSTART")] == [
        "DTSTART:20260302T120000Z", "DTSTART:20260302T180000Z"]  # fmt: skip
    assert lines.count("SUMMARY:a") == 2
    assert all(len(line.encode()) <= 75 for line in lines)
    assert r"DESCRIPTION:every 6 h at :00 (cron 0 */6 * * *)\, for 10 min (UTC)" in lines


def test_a_feed_is_bounded_soonest_first_and_names_events_as_their_jobs():
    often = spec_of('{start: "2026-03-01T00:00:00Z", interval: 1m}')
    daily = spec_of('{cron: "0 11 * * *"}')
    window = Window(NOW, NOW + timedelta(days=30))
    lines = feed_of([often, daily], window, 10).split("\r\n")
    uids = [line for line in lines if line.startswith("UID:")]
    assert uids[:2] == ["UID:a.often@rota", "UID:a.20260303T110000Z.0@rota"]
    assert len(uids) == 10
    later = Window(NOW + HOUR, NOW + timedelta(days=30))
    assert "UID:a.20260303T110000Z.0@rota" in feed_of([daily], later, 10)
