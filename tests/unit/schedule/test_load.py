"""Schedule files: every problem at once, each at its own place, and a good file read whole."""

from __future__ import annotations

import time

import msgspec
import pytest

from common.labels import Not
from common.messages import RunSpec
from common.schedule import load, load_many, spec_from_json, spec_to_json

FULL = """\
version: 1
timezone: Asia/Kolkata
defaults: {machine: shared, app: registry/heating:1.4}
instances:
  - id: hostel-a-heating
    command: ["python", "-m", "heating"]
    env: {MODE: eco, FLAG: on, N: 010}
    place: hostel-a
    sensors: {temperature: th-17}
    instances: 2
    machine: standalone
    node: {labels: {zone: a}}
    resources: {cpus: 0.5, memory: 128MiB}
    schedule: {start_time: "08:00", end_time: "18:00", days: [mon-fri], interval: 30m, duration: 5m}
    depends_on: [{instance: hostel-a-sync, on: success}]
    timeout: 10m
    restart: never
    retries: 0
    overlap: skip
    misfire: latest
    priority: 50
    notify: {url: https://hooks.example/ops, on: [failed, missed]}
  - {id: hostel-a-sync, schedule: {start: 2026-01-01T00:00, interval: 1h}, app: x}
"""


def problems_of(text: str, file: str = "f.yml") -> list[tuple[int | None, int | None, str, str]]:
    return [(p.line, p.column, p.path, p.code) for p in load(text, file).problems]


def one(body: str) -> str:
    return f"version: 1\ninstances:\n  - {{id: a, app: x, {body}}}\n"


def test_a_full_file_is_read_with_its_defaults_resolved() -> None:
    loaded = load(FULL, "f.yml")
    assert loaded.problems == ()
    first = loaded.instances[0]
    assert (first.app, first.machine, first.timezone) == (
        "registry/heating:1.4", "standalone", "Asia/Kolkata",
    )  # fmt: skip
    assert first.env == {"MODE": "eco", "FLAG": "on", "N": "010"}
    assert (first.memory_bytes, first.timeout_s, first.grace_s) == (128 * 1024**2, 600, 10)


def test_a_spec_survives_json() -> None:
    for spec in load(FULL, "f.yml").instances:
        assert spec_from_json(spec_to_json(spec)) == spec


def test_rules_about_labels_are_read_and_equal_ones_are_equal() -> None:
    text = one("schedule: {cron: '@daily'}, node: {labels: {zone: a, os: [b, 7, a, b], disk: [ssd],"
               " gpu: {not: old}, row: {not: [y, x]}}}")
    labels = {"zone": "a", "os": ("7", "a", "b"), "disk": "ssd", "gpu": Not(("old",)), "row": Not(("x", "y"))}
    loaded = load(text, "f.yml")
    assert loaded.problems == ()
    (spec,) = loaded.instances
    assert spec.node_labels == labels
    assert spec_from_json(spec_to_json(spec)) == spec
    job = RunSpec(image="i", node_labels=spec.node_labels)
    assert msgspec.json.decode(msgspec.json.encode(job), type=RunSpec) == job


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (one("schedul: {}"), (3, 21, "instances[0].schedul", "unknown_key")),
        (one('schedule: {cron: "0 0 31 2 *"}'), (3, 38, "instances[0].schedule.cron", "bad_cron")),
        (one('schedule: {cron: "* * * *"}'), (3, 38, "instances[0].schedule.cron", "bad_cron")),
        (one('schedule: {cron: "5/15 * * * *"}'), (3, 38, "instances[0].schedule.cron", "bad_cron")),
        (one("schedule: {start_time: 6:00}"), (3, 44, "instances[0].schedule.start_time", "bad_value")),
        (one("schedule: {start: 2026-01-02T00:00, end: 2026-01-01T00:00}"),
         (3, 31, "instances[0].schedule", "end_before_start")),
        (one("schedule: {start_time: '08:00', cron: '* * * * *'}"),
         (3, 31, "instances[0].schedule", "wrong_form")),
        (one("timezone: PST, schedule: {cron: '* * * * *'}"),
         (3, 31, "instances[0].timezone", "unknown_timezone")),
        (one("place: null, schedule: {cron: '* * * * *'}"), (3, 28, "instances[0].place", "null")),
        (one("instances: 0, schedule: {cron: '* * * * *'}"),
         (3, 32, "instances[0].instances", "out_of_range")),
        (one("place: p"), (3, 5, "instances[0]", "missing_key")),
        (one("depends_on: [nobody]"), (3, 34, "instances[0].depends_on[0]", "unknown_parent")),
        (one("depends_on: [a]"), (3, 33, "instances[0].depends_on", "cycle")),
        (one("schedule: {start: 2026-01-01T00:00, repetition: true}"),
         (3, 31, "instances[0].schedule", "bad_combination")),
        (one("schedule: {start: 2026-01-01T00:00, interval: 1d, exclude: 2026-01-01, "
             "end: 2026-01-02T00:00}"), (3, 31, "instances[0].schedule", "never_due")),
        ("version: 2\ninstances: []\n", (1, 10, "version", "out_of_range")),
        ("version: 1\nversion: 1\n", (2, 1, "version", "duplicate_key")),
        ("version: 1\ninstances: &a [*a]\n", (2, 12, "instances", "anchor")),
        ("version: !!int 1\n", (1, 10, "version", "tag")),
        ("a: 1\n---\nb: 2\n", (2, 1, "", "many_documents")),
        ("version: [", (2, 1, "", "not_yaml")),
        ("", (None, None, "", "empty")),
    ],
)  # fmt: skip
def test_a_problem_stands_at_its_place(
    text: str, expected: tuple[int | None, int | None, str, str]
) -> None:
    assert expected in problems_of(text)


def test_all_problems_are_told_at_once_and_nothing_is_loaded() -> None:
    text = one("comand: [x], restart: never, retries: -1, schedule: {start: soon}")
    assert {code for *_, code in problems_of(text)} == {"unknown_key", "out_of_range", "bad_value"}
    assert load(text, "f.yml").instances == ()


def test_a_hint_names_the_nearest_key() -> None:
    hints = {problem.hint for problem in load(one("schedul: {}"), "f.yml").problems}
    assert "did you mean `schedule`?" in hints


def test_a_cycle_is_printed_as_a_path() -> None:
    text = (
        "version: 1\ninstances:\n"
        "  - {id: a, app: x, depends_on: [b]}\n"
        "  - {id: b, app: x, depends_on: [c]}\n"
        "  - {id: c, app: x, depends_on: [a]}\n"
    )
    assert "a → b → c → a" in load(text, "f.yml").problems[0].message


def test_files_given_together_know_each_others_instances() -> None:
    parent = one("schedule: {cron: '@daily'}")
    child = "version: 1\ninstances:\n  - {id: b, app: x, depends_on: [a]}\n"
    assert load(child, "c.yml").problems != ()
    assert load(child, "c.yml", known_instances={"a"}).problems == ()
    assert len(load_many([("p.yml", parent), ("c.yml", child)]).instances) == 2
    twice = load_many([("p.yml", parent), ("q.yml", parent)])
    assert [p.code for p in twice.problems] == ["duplicate_id"]


def test_json_is_read_with_its_own_strictness() -> None:
    good = '{"version": 1, "instances": [{"id": "a", "app": "x", "schedule": {"cron": "@daily"}}]}'
    assert load(good, "f.json").problems == ()
    assert load(good.replace("1,", "NaN,", 1), "f.json").problems[0].code == "not_json"
    twice = load(good.replace('"app": "x"', '"id": "b"'), "f.json").problems
    assert {problem.code for problem in twice} == {"duplicate_key", "missing_key"}


@pytest.mark.parametrize(
    ("hostile", "code"),
    [
        ("[" * 200_000, "too_deep"),
        ("{a: " * 60_000, "too_deep"),
        ("- " * 100_000, "too_deep"),
        ("a" * 300_000, "too_large"),
        ("version: " + "9" * 200_000, "missing_key"),
        ("version: 1\ninstances:\n" + "  - {id: a, app: x, bad: 1}\n" * 1001, "too_many_instances"),
        ("version: 1\ninstances:\n" + "  - {id: a, app: x, bad: 1}\n" * 999, "too_many_problems"),
        ("\x00", "not_yaml"),
    ],
)
def test_hostile_input_ends_soon_with_a_problem(hostile: str, code: str) -> None:
    began = time.process_time()
    found = load(hostile, "f.yml").problems
    assert code in {problem.code for problem in found}
    assert len(found) <= 201
    assert time.process_time() - began < 3


def test_bytes_that_are_not_utf8_are_a_problem_and_a_bom_is_not() -> None:
    assert load("é".encode("latin-1"), "f.yml").problems[0].code == "not_utf8"
    assert load(b"\xef\xbb\xbf" + FULL.encode(), "f.yml").problems == ()
