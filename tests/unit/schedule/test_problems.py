"""What a schedule file may not say: each problem with its line, column, path, code and a hint."""

from __future__ import annotations

import pytest

from common.schedule import load, load_many

Place = tuple[int | None, int | None, str, str]
DAILY = "schedule: {cron: '@daily'}"


def told(text: str) -> list[Place]:
    problems = load(text, "f.yml").problems
    assert all(problem.hint for problem in problems), problems
    return [(p.line, p.column, p.path, p.code) for p in problems]


def one(body: str) -> str:
    """One instance on line 3, its mapping at column 5, what is given at column 21."""
    return f"version: 1\ninstances:\n  - {{id: a, app: x, {body}}}\n"


def of_schedule(keys: str) -> list[Place]:
    """Problems of a schedule whose mapping is at column 31 and its first key at column 32."""
    return [
        (line, column, path.removeprefix("instances[0]."), code)
        for line, column, path, code in told(one(f"schedule: {{{keys}}}"))
    ]


S = "schedule"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("crn: '@daily'", [(3, 31, S, "no_form"), (3, 32, f"{S}.crn", "unknown_key")]),
        ("", [(3, 31, S, "no_form")]),
        ("interval: 5m", [(3, 31, S, "no_form")]),
        ("end_time: '08:00'", [(3, 31, S, "no_form")]),
        ("days: [mon]", [(3, 31, S, "no_form")]),
        ("cron: 5", [(3, 38, f"{S}.cron", "bad_cron")]),
        ("cron: ['@daily']", [(3, 38, f"{S}.cron", "wrong_type")]),
        ("cron: ~", [(3, 38, f"{S}.cron", "null")]),
        ("cron: '@daily', interval: 5m", [(3, 31, S, "wrong_form")]),
        ("cron: '@daily', start_time: '08:00', days: [mon]", [(3, 31, S, "wrong_form")]),
        ("start: 2026-01-01T00:00, days: [mon]", [(3, 31, S, "wrong_form")]),
        ("start: 2026-01-01T00:00, interval: 1h, days: [mon]", [(3, 31, S, "wrong_form")]),
        ("start: 2026-01-01T00:00, end_time: '10:00'", [(3, 31, S, "wrong_form")]),
        ("start_time: '08:00', interval: 5m", [(3, 31, f"{S}.end_time", "missing_key")]),
        ("start_time: '08:00', end_time: '09:00', interval: 1d", [(3, 31, S, "bad_combination")]),
        ("start_time: '08:00', end_time: '09:00', interval: 1w", [(3, 31, S, "bad_combination")]),
        ("start_time: '08:00', end_time: '09:00', interval: 1mo", [(3, 31, S, "bad_combination")]),
        ("start_time: '24:00'", [(3, 44, f"{S}.start_time", "bad_value")]),
        ("start_time: 8:00", [(3, 44, f"{S}.start_time", "bad_value")]),
        ("start_time: 800", [(3, 44, f"{S}.start_time", "bad_value")]),
        ("start_time: '08:00', end_time: '24:01'", [(3, 63, f"{S}.end_time", "bad_value")]),
        ("start_time: '08:00', days: [mon, fri-mon]", [(3, 65, f"{S}.days[1]", "bad_value")]),
        ("start_time: '08:00', days: 1", [(3, 59, f"{S}.days", "bad_value")]),
        ("start_time: '08:00', days: []", [(3, 59, f"{S}.days", "empty_list")]),
        ("start_time: '08:00', days: [~]", [(3, 60, f"{S}.days[0]", "null")]),
        ("start_time: '08:00', days: {mon: 1}", [(3, 59, f"{S}.days", "wrong_type")]),
        ("start_time: '08:00', exclude: [2026-02-30]", [(3, 63, f"{S}.exclude[0]", "bad_value")]),
        ("start: 2026-01-01", [(3, 39, f"{S}.start", "bad_value")]),
        ("start: 2026-01-01T00:00, interval: 0s", [(3, 67, f"{S}.interval", "bad_value")]),
        ("start: 2026-01-01T00:00, interval: 30", [(3, 67, f"{S}.interval", "bad_value")]),
        ("cron: '@daily', duration: 1w", [(3, 58, f"{S}.duration", "bad_value")]),
        ("cron: '@daily', duration: 0s", [(3, 58, f"{S}.duration", "bad_value")]),
        ("cron: '@daily', max_jobs: 3", [(3, 31, f"{S}.start", "missing_key")]),
        ("start: 2026-01-01T00:00, max_jobs: 0", [(3, 67, f"{S}.max_jobs", "out_of_range")]),
        ("start: 2026-01-01T00:00, max_jobs: '3'", [(3, 67, f"{S}.max_jobs", "wrong_type")]),
        ("cron: '@daily', dst_gap: first", [(3, 57, f"{S}.dst_gap", "bad_value")]),
        ("cron: '@daily', dst_overlap: shift", [(3, 61, f"{S}.dst_overlap", "bad_value")]),
        ("start: 2026-01-01T00:00, repetition: true", [(3, 31, S, "bad_combination")]),
        ("cron: '@daily', repetition: false", [(3, 31, S, "bad_combination")]),
        ("start: 2026-01-01T00:00, interval: 1d, repetition: false", [(3, 31, S, "bad_combination")]),
        ("cron: '@daily', repetition: yes", [(3, 60, f"{S}.repetition", "wrong_type")]),
        ("start: 2026-01-02T00:00, end: 2026-01-02T00:00", [(3, 31, S, "end_before_start")]),
        ("start: 2026-01-02T00:00, end: 2026-01-01T23:00-05:00, interval: 1h", []),
        ("start: 2026-01-02T00:00, end: 2026-01-02T00:30+05:30, interval: 1m", [(3, 31, S, "end_before_start")]),
        ("cron: '@daily', start: 2026-01-02T00:00, end: 2026-01-01T00:00", [(3, 31, S, "end_before_start")]),
        ("cron: '0 8 * * *', start: 2026-01-01T09:00, end: 2026-01-02T08:00", [(3, 31, S, "never_due")]),
        ("start: 2026-01-01T00:00, exclude: 2026-01-01", [(3, 31, S, "never_due")]),
        ("start: 2026-01-01T00:00, interval: 1d, exclude: 2026-01-01, end: 2026-01-02T00:00", [(3, 31, S, "never_due")]),
        ("start: 2026-01-01T00:00, interval: 1h, exclude: 2026-01-01, end: 2026-01-02T00:00", [(3, 31, S, "never_due")]),
        ("start_time: '08:00', days: sun, start: 2026-03-02T00:00, end: 2026-03-08T00:00", [(3, 31, S, "never_due")]),
        ("start_time: '08:00', days: sun, start: 2026-03-02T00:00, end: 2026-03-08T08:01", []),
        ("cron: '0 0 31 2 *'", [(3, 38, f"{S}.cron", "bad_cron")]),
    ],
)  # fmt: skip
def test_of_a_schedule(keys: str, expected: list[Place]) -> None:
    assert of_schedule(keys) == expected


@pytest.mark.parametrize(
    ("zone", "keys"),
    [
        ("America/New_York", "start: 2026-03-08T02:30, dst_gap: skip"),
        ("Pacific/Apia", "start: 2011-12-30T12:00"),
        ("Pacific/Apia", "start_time: '12:00', start: 2011-12-30T00:00Z, end: 2011-12-30T20:00Z"),
    ],
)
def test_what_a_clock_change_leaves_nothing_of_can_never_be_due(zone: str, keys: str) -> None:
    text = one(f"timezone: {zone}, schedule: {{{keys}}}")
    assert [code for *_, code in told(text)] == ["never_due"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("schedul: {}", [(3, 5, "instances[0]", "missing_key"), (3, 21, "instances[0].schedul", "unknown_key")]),
        ("place: p", [(3, 5, "instances[0]", "missing_key")]),
        ("depends_on: []", [(3, 5, "instances[0]", "missing_key")]),
        (f"command: {{a: b}}, {DAILY}", [(3, 30, "instances[0].command", "wrong_type")]),
        (f"command: [a, ~], {DAILY}", [(3, 34, "instances[0].command[1]", "null")]),
        (f"env: [A], {DAILY}", [(3, 26, "instances[0].env", "wrong_type")]),
        (f"env: {{A: ~}}, {DAILY}", [(3, 30, "instances[0].env.A", "null")]),
        (f"env: {{A: [x]}}, {DAILY}", [(3, 30, "instances[0].env.A", "wrong_type")]),
        (f"env: {{A-B: x}}, {DAILY}", [(3, 27, "instances[0].env.A-B", "bad_name")]),
        (f"secrets: [db-password, A], {DAILY}", [(3, 44, "instances[0].secrets[1]", "bad_value")]),
        (f"secrets: {{a: b}}, {DAILY}", [(3, 30, "instances[0].secrets", "wrong_type")]),
        (f"sensors: {{1: x}}, {DAILY}", [(3, 31, "instances[0].sensors.1", "bad_name")]),
        (f"place: ~, {DAILY}", [(3, 28, "instances[0].place", "null")]),
        (f"place: 7, {DAILY}", [(3, 28, "instances[0].place", "wrong_type")]),
        (f"place: '', {DAILY}", [(3, 28, "instances[0].place", "bad_value")]),
        (f"instances: 0, {DAILY}", [(3, 32, "instances[0].instances", "out_of_range")]),
        (f"instances: 1001, {DAILY}", [(3, 32, "instances[0].instances", "out_of_range")]),
        (f"instances: two, {DAILY}", [(3, 32, "instances[0].instances", "wrong_type")]),
        (f"instances: true, {DAILY}", [(3, 32, "instances[0].instances", "wrong_type")]),
        (f"instances: 2.0, {DAILY}", [(3, 32, "instances[0].instances", "wrong_type")]),
        (f"machine: own, {DAILY}", [(3, 30, "instances[0].machine", "bad_value")]),
        (f"node: {{zone: a}}, {DAILY}", [(3, 27, "instances[0].node.labels", "missing_key"),
                                        (3, 28, "instances[0].node.zone", "unknown_key")]),
        (f"node: {{labels: [a]}}, {DAILY}", [(3, 36, "instances[0].node.labels", "wrong_type")]),
        (f"node: {{labels: {{a: []}}}}, {DAILY}", [(3, 40, "instances[0].node.labels.a", "bad_value")]),
        (f"node: {{labels: {{a: [x, ~]}}}}, {DAILY}", [(3, 44, "instances[0].node.labels.a[1]", "null")]),
        (f"node: {{labels: {{a: {{nott: x}}}}}}, {DAILY}", [
            (3, 40, "instances[0].node.labels.a.not", "missing_key"),
            (3, 41, "instances[0].node.labels.a.nott", "unknown_key")]),
        (f"node: {{labels: {{a: {{not: []}}}}}}, {DAILY}", [(3, 46, "instances[0].node.labels.a.not", "bad_value")]),
        (f"node: {{labels: {{a: {{not: {{b: c}}}}}}}}, {DAILY}", [(3, 46, "instances[0].node.labels.a.not", "wrong_type")]),
        (f"node: {{labels: {{'a b': x}}}}, {DAILY}", [(3, 37, "instances[0].node.labels.a b", "bad_name")]),
        (f"resources: {{cpus: many}}, {DAILY}", [(3, 39, "instances[0].resources.cpus", "wrong_type")]),
        (f"resources: {{cpus: 0}}, {DAILY}", [(3, 39, "instances[0].resources.cpus", "out_of_range")]),
        (f"resources: {{memory: 1GB}}, {DAILY}", [(3, 41, "instances[0].resources.memory", "bad_value")]),
        (f"timezone: PST, {DAILY}", [(3, 31, "instances[0].timezone", "unknown_timezone")]),
        (f"timezone: '+05:30', {DAILY}", [(3, 31, "instances[0].timezone", "unknown_timezone")]),
        (f"timezone: europe/berlin, {DAILY}", [(3, 31, "instances[0].timezone", "unknown_timezone")]),
        (f"timeout: 1.5h, {DAILY}", [(3, 30, "instances[0].timeout", "bad_value")]),
        (f"timeout: 10, {DAILY}", [(3, 30, "instances[0].timeout", "bad_value")]),
        (f"grace: 0s, {DAILY}", [(3, 28, "instances[0].grace", "bad_value")]),
        (f"start_deadline: 1w, {DAILY}", [(3, 37, "instances[0].start_deadline", "bad_value")]),
        (f"restart: no, {DAILY}", [(3, 30, "instances[0].restart", "bad_value")]),
        (f"retries: -1, {DAILY}", [(3, 30, "instances[0].retries", "out_of_range")]),
        (f"overlap: queue, {DAILY}", [(3, 30, "instances[0].overlap", "bad_value")]),
        (f"misfire: never, {DAILY}", [(3, 30, "instances[0].misfire", "bad_value")]),
        (f"priority: 0, {DAILY}", [(3, 31, "instances[0].priority", "out_of_range")]),
        (f"priority: 101, {DAILY}", [(3, 31, "instances[0].priority", "out_of_range")]),
        (f"priority: high, {DAILY}", [(3, 31, "instances[0].priority", "wrong_type")]),
        (f"on_node_lost: move, {DAILY}", [(3, 35, "instances[0].on_node_lost", "bad_value")]),
        (f"notify: {{on: [failed]}}, {DAILY}", [(3, 29, "instances[0].notify", "missing_key")]),
        (f"notify: {{url: ftp://x}}, {DAILY}", [(3, 35, "instances[0].notify.url", "bad_value")]),
        (f"notify: {{mail: ops@, url: 'http://x'}}, {DAILY}", [(3, 36, "instances[0].notify.mail", "bad_value")]),
        (f"notify: {{mail: 'a@x.org, b@x.org'}}, {DAILY}", [(3, 36, "instances[0].notify.mail", "bad_value")]),
        (f"notify: {{url: 'http://x', on: [fine]}}, {DAILY}", [(3, 52, "instances[0].notify.on[0]", "bad_value")]),
        ("depends_on: [{on: done}]", [(3, 34, "instances[0].depends_on[0].instance", "missing_key")]),
        ("depends_on: [{instance: b}]", [(3, 45, "instances[0].depends_on[0].instance", "unknown_parent")]),
        ("depends_on: b", [(3, 33, "instances[0].depends_on", "unknown_parent")]),
        ("depends_on: [B]", [(3, 34, "instances[0].depends_on[0]", "bad_id")]),
        ("depends_on: [{instance: a, on: end}]", [(3, 33, "instances[0].depends_on", "cycle"),
                                                  (3, 52, "instances[0].depends_on[0].on", "bad_value")]),
        ("depends_on: a", [(3, 33, "instances[0].depends_on", "cycle")]),
    ],
)  # fmt: skip
def test_of_an_instance(body: str, expected: list[Place]) -> None:
    assert told(one(body)) == expected


@pytest.mark.parametrize("bad", ["A", "-a", "a_b", "''", "a" * 63, "a b", "5", "true", "[a]", "ä"])
def test_an_id_is_small_letters_digits_and_dashes(bad: str) -> None:
    found = told(f"version: 1\ninstances:\n  - {{app: x, id: {bad}, {DAILY}}}\n")
    assert [(line, column, path) for line, column, path, _ in found] == [(3, 18, "instances[0].id")]


@pytest.mark.parametrize("good", ["a", "0", "007", "a-", "a" * 62])
def test_a_good_id_is_taken(good: str) -> None:
    quoted = f"'{good}'"
    assert told(f"version: 1\ninstances:\n  - {{app: x, id: {quoted}, {DAILY}}}\n") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("instances: []\n", [(1, 1, "version", "missing_key"), (1, 12, "instances", "no_instances")]),
        ("version: 1\n", [(1, 1, "instances", "missing_key")]),
        ("# text\n\nversion: 1\n", [(3, 1, "instances", "missing_key")]),
        ("version: 2\ninstances: [{id: a, app: x, schedule: {cron: '@daily'}}]\n", [(1, 10, "version", "out_of_range")]),
        ("version: '1'\ninstances: [{id: a, app: x, schedule: {cron: '@daily'}}]\n", [(1, 10, "version", "wrong_type")]),
        ("version: true\ninstances: [{id: a, app: x, schedule: {cron: '@daily'}}]\n", [(1, 10, "version", "wrong_type")]),
        ("version: 1\ninstances: {}\n", [(2, 12, "instances", "wrong_type")]),
        ("version: 1\ninstances: x\n", [(2, 12, "instances", "wrong_type")]),
        ("version: 1\ninstances:\n", [(2, 11, "instances", "null")]),
        ("version: 1\ninstances: [x, ~]\n", [(2, 13, "instances[0]", "wrong_type"), (2, 16, "instances[1]", "null")]),
        ("- version: 1\n", [(1, 1, "", "wrong_type")]),
        ("just text\n", [(1, 1, "", "wrong_type")]),
        ("version: 1\nInstances: []\n", [(1, 1, "instances", "missing_key"), (2, 1, "Instances", "unknown_key")]),
        ("version: 1\ninstances:\n  - app: x\n    schedule: {cron: '@daily'}\n", [(3, 5, "instances[0].id", "missing_key")]),
        ("version: 1\ninstances:\n  - id: a\n    schedule:\n      cron: '@daily'\n", [(3, 5, "instances[0].app", "missing_key")]),
        ("version: 1\ninstances:\n  - id: a\n    app: x\n    schedule:\n      interval: 5m\n",
         [(6, 7, "instances[0].schedule", "no_form")]),
    ],
)  # fmt: skip
def test_of_a_file(text: str, expected: list[Place]) -> None:
    assert [(p.line, p.column, p.path, p.code) for p in load(text, "f.yml").problems] == expected


def with_defaults(defaults: str, instances: str = f"{{id: a, app: x, {DAILY}}}, {{id: b, app: x, {DAILY}}}") -> str:
    return f"version: 1\ndefaults: {defaults}\ninstances: [{instances}]\n"


@pytest.mark.parametrize(
    ("defaults", "expected"),
    [
        ("{id: c}", [(2, 12, "defaults.id", "unknown_key")]),
        ("{priorty: 5}", [(2, 12, "defaults.priorty", "unknown_key")]),
        ("{priority: 500}", [(2, 22, "defaults.priority", "out_of_range")]),
        ("{schedule: {cron: '* *'}}", [(2, 29, "defaults.schedule.cron", "bad_cron")]),
        ("{timezone: PST}", [(2, 22, "defaults.timezone", "unknown_timezone")]),
        ("[a]", [(2, 11, "defaults", "wrong_type")]),
        ("~", [(2, 11, "defaults", "null")]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_defaults_is_told_once_and_there(defaults: str, expected: list[Place]) -> None:
    assert told(with_defaults(defaults)) == expected


def test_defaults_are_shallow_and_instances_override_them() -> None:
    text = with_defaults(
        "{app: d, timezone: Asia/Kolkata, env: {A: 1, B: 2}, schedule: {cron: '@daily', duration: 5m}}",
        "{id: a}, {id: b, app: own, timezone: Europe/Berlin, env: {C: 3}, schedule: {start_time: '08:00'}}",
    )
    first, second = load("timezone: UTC\n" + text, "f.yml").instances
    assert (first.app, first.timezone, first.env) == ("d", "Asia/Kolkata", {"A": "1", "B": "2"})
    assert (second.app, second.timezone, second.env) == ("own", "Europe/Berlin", {"C": "3"})
    assert first.schedule is not None
    assert second.schedule is not None
    assert (first.schedule.duration_s, second.schedule.duration_s) == (300, None)


def test_the_zone_is_the_instances_then_the_defaults_then_the_files_then_utc() -> None:
    instances = f"[{{id: a, app: x, {DAILY}}}]"
    assert load(f"version: 1\ninstances: {instances}", "f.yml").instances[0].timezone == "UTC"
    text = f"version: 1\ntimezone: Asia/Tokyo\ninstances: {instances}"
    assert load(text, "f.yml").instances[0].timezone == "Asia/Tokyo"


def test_an_inherited_schedule_is_looked_at_in_each_zone() -> None:
    text = with_defaults(
        "{app: x, schedule: {start: '2026-03-08T02:30', dst_gap: skip}}",
        "{id: a}, {id: b, timezone: America/New_York}, {id: c, timezone: America/New_York}",
    )
    assert told(text) == [(2, 30, "defaults.schedule", "never_due")]


def test_problems_of_the_text_and_of_the_words_are_told_together() -> None:
    text = one(f"priority: 500, priority: 5, place: *p, comand: x, {DAILY}")
    assert [code for *_, code in told(text)] == ["out_of_range", "duplicate_key", "alias", "unknown_key"]


def test_problems_do_not_hide_those_between_instances() -> None:
    text = (
        "version: 1\ninstances:\n"
        "  - {id: a, app: x, priority: 0, depends_on: [b, nobody]}\n"
        "  - {id: b, app: x, retries: x, depends_on: [a]}\n"
        "  - {id: a, app: x, prio: 1, depends_on: none}\n"
    )
    assert told(text) == [
        (3, 31, "instances[0].priority", "out_of_range"), (3, 46, "instances[0].depends_on", "cycle"),
        (3, 50, "instances[0].depends_on[1]", "unknown_parent"), (4, 30, "instances[1].retries", "wrong_type"),
        (5, 10, "instances[2].id", "duplicate_id"), (5, 21, "instances[2].prio", "unknown_key"),
        (5, 42, "instances[2].depends_on", "unknown_parent"),
    ]  # fmt: skip


def test_a_parent_waited_for_twice_is_a_problem() -> None:
    text = (
        f"version: 1\ninstances:\n  - {{id: a, app: x, {DAILY}}}\n"
        "  - {id: b, app: x, depends_on: [a, {instance: a, on: failure}]}\n"
    )
    assert told(text) == [(4, 48, "instances[1].depends_on[1].instance", "duplicate_parent")]


def test_parents_are_not_blamed_while_a_file_could_not_be_read() -> None:
    child = "version: 1\ninstances:\n  - {id: b, app: x, depends_on: [a]}\n"
    codes = {(p.file, p.code) for p in load_many([("c.yml", child), ("p.yml", "version: [")]).problems}
    assert codes == {("p.yml", "not_yaml")}


def test_every_cycle_apart_from_the_others_is_printed() -> None:
    text = "version: 1\ninstances:\n" + "".join(
        f"  - {{id: {name}, app: x, depends_on: [{parent}]}}\n"
        for name, parent in [("a", "b"), ("b", "a"), ("c", "a"), ("d", "e"), ("e", "f"), ("f", "d"), ("g", "g")]
    )
    messages = [p.message.rpartition(": ")[2] for p in load(text, "f.yml").problems]
    assert messages == ["a → b → a", "d → e → f → d", "g → g"]


def test_problems_in_json_have_their_places() -> None:
    text = (
        '{\n\t"version": 1,\n\t"instances": [\n\t\t{"id": "a", "app": "x", "prio": 5,\n'
        '\t\t "schedule": {"start_time": "08:00", "interval": "5m"}}\n\t]\n}\n'
    )
    assert [(p.line, p.column, p.path, p.code) for p in load(text, "f.json").problems] == [
        (4, 27, "instances[0].prio", "unknown_key"), (5, 16, "instances[0].schedule.end_time", "missing_key"),
    ]  # fmt: skip


def test_environment_values_are_text_as_they_are_written() -> None:
    text = one(f"env: {{A: 010, B: on, C: 1.50, D: true, E: 22:00:00, F: '', G: 0x1F}}, {DAILY}")
    assert load(text, "f.yml").instances[0].env == {
        "A": "010", "B": "on", "C": "1.50", "D": "true", "E": "22:00:00", "F": "", "G": "0x1F",
    }  # fmt: skip


def test_one_word_stands_for_a_list_of_one() -> None:
    body = "command: run, notify: {url: 'https://x', on: late}, schedule: {start_time: '08:00', days: mon-fri, exclude: 2026-12-25}"
    spec = load(one(body), "f.yml").instances[0]
    assert spec.schedule is not None
    assert spec.notify is not None
    assert (spec.command, spec.notify.on, spec.schedule.days) == (("run",), ("late",), (0, 1, 2, 3, 4))
    assert len(spec.schedule.exclude) == 1


@pytest.mark.parametrize(("count", "codes"), [(1000, set()), (1001, {"too_many_instances"})])
def test_a_thousand_instances_are_read_and_no_more(count: int, codes: set[str]) -> None:
    text = "version: 1\ndefaults: {app: x, schedule: {cron: '@daily'}}\ninstances:\n" + "".join(
        f"  - {{id: i{number}}}\n" for number in range(count)
    )
    loaded = load(text, "f.yml")
    assert {p.code for p in loaded.problems} == codes
    assert len(loaded.instances) == (0 if codes else count)


@pytest.mark.parametrize(
    ("word", "hint"),
    [("schedul: 1", "`schedule`"), ("prioritty: 1", "`priority`"), ("schedule: {corn: '@daily'}", "`cron`"),
     ("machine: standalon", "`standalone`"), ("timezone: europe/berlin", "`Europe/Berlin`"),
     ("timezone: Europe/Berln", "`Europe/Berlin`"), ("timezone: asia/kolkata", "`Asia/Kolkata`")],
)  # fmt: skip
def test_the_nearest_word_is_named(word: str, hint: str) -> None:
    assert any(hint in (p.hint or "") for p in load(one(word), "f.yml").problems)
