"""`rota schedule validate`, `next` and `schema`: the fixed forms, exit codes, and what goes where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.schedule import app
from common.schedule.schema import schedule_schema_text

GOOD = """\
version: 1
timezone: America/New_York
instances:
  - {id: b, app: x, schedule: {cron: "0 * * * *", duration: 5m}}
  - {id: a, app: x, schedule: {start_time: "22:00", end_time: "06:00"}}
  - {id: c, app: x, schedule: {cron: "0 * * * *"}}
  - {id: child, app: x, depends_on: [a]}
"""
AFTER = "2026-03-08T02:00:00Z"


def run(*arguments: str, text: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=text)


@pytest.fixture
def good(tmp_path: Path) -> str:
    path = tmp_path / "good.yml"
    path.write_text(GOOD)
    return str(path)


@pytest.fixture
def bad(tmp_path: Path) -> str:
    path = tmp_path / "bad.yml"
    path.write_text("version: 1\ninstances:\n  - {id: a, app: x, schedul: {}}\n")
    return str(path)


def due(*arguments: str) -> list[dict[str, Any]]:
    found = run("next", *arguments, "-o", "json")
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def test_next_gives_the_soonest_of_all_instances_ties_by_instance(good: str) -> None:
    assert due(good, "--after", AFTER, "--count", "5") == [
        {"instance": "a", "due": "2026-03-08T03:00:00Z", "stop": "2026-03-08T10:00:00Z"},
        {"instance": "b", "due": "2026-03-08T03:00:00Z", "stop": "2026-03-08T03:05:00Z"},
        {"instance": "c", "due": "2026-03-08T03:00:00Z", "stop": None},
        {"instance": "b", "due": "2026-03-08T04:00:00Z", "stop": "2026-03-08T04:05:00Z"},
        {"instance": "c", "due": "2026-03-08T04:00:00Z", "stop": None},
    ]


def test_next_is_strictly_after(good: str) -> None:
    found = due(good, "--after", "2026-03-08T03:00:00Z", "--count", "1", "--instance", "b")
    assert [row["due"] for row in found] == ["2026-03-08T04:00:00Z"]
    found = due(good, "--after", "2026-03-07T22:59:59.999-04:00", "--count", "1", "--instance", "b")
    assert [row["due"] for row in found] == ["2026-03-08T03:00:00Z"]


def test_next_of_one_instance_and_of_one_that_is_not_there(good: str) -> None:
    assert {row["instance"] for row in due(good, "--after", AFTER, "--count", "4", "--instance", "c")} == {"c"}
    assert due(good, "--after", AFTER, "--count", "4", "--instance", "child") == []
    assert getattr(run("next", good, "--instance", "nobody").exception, "exit_code", None) == 4


def test_next_ends_where_nothing_is_due_any_more() -> None:
    text = "version: 1\ninstances: [{id: a, app: x, schedule: {start: 2026-03-09T00:00Z}}]"
    found = run("next", "-", "--after", AFTER, "--count", "5", "-o", "json", text=text)
    assert json.loads(found.stdout) == [{"instance": "a", "due": "2026-03-09T00:00:00Z", "stop": None}]


@pytest.mark.parametrize("after", ["now", "2026-03-08T00:00:00", "2026-13-01T00:00:00Z"])
def test_next_after_what_is_no_instant_is_a_mistake_of_use(good: str, after: str) -> None:
    assert getattr(run("next", good, "--after", after).exception, "exit_code", None) == 2


def test_next_of_a_bad_file_tells_the_problems(bad: str) -> None:
    found = run("next", bad, "--after", AFTER, "-o", "json")
    assert (found.exit_code, found.stdout) == (3, "")
    assert "unknown_key" in found.stderr


def test_validate_of_good_files_has_an_empty_list(good: str) -> None:
    found = run("validate", good, "-o", "json")
    assert (found.exit_code, json.loads(found.stdout)) == (0, {"problems": []})


def test_validate_tells_all_problems_of_all_files_in_the_fixed_form(good: str, bad: str) -> None:
    found = run("validate", good, bad, "-o", "json")
    assert found.exit_code == 3
    told = json.loads(found.stdout)
    assert list(told) == ["problems"]
    assert told["problems"][2] == {
        "file": bad, "line": 3, "column": 21, "path": "instances[0].schedul", "code": "unknown_key",
        "message": "unknown key 'schedul'", "hint": "did you mean `schedule`?",
    }  # fmt: skip
    assert {problem["code"] for problem in told["problems"]} == {"missing_key", "unknown_key", "duplicate_id"}


def test_validate_shows_the_line_and_the_hint(bad: str) -> None:
    found = run("validate", bad)
    assert (found.exit_code, found.stdout) == (3, "")
    assert f"{bad}:3:21: unknown_key: unknown key 'schedul' (instances[0].schedul)" in found.stderr
    assert "  - {id: a, app: x, schedul: {}}\n" + " " * 24 + "^\n" in found.stderr
    assert "hint: did you mean `schedule`?" in found.stderr


OFTEN = "version: 1\ninstances: [{id: a, app: x, schedule: {start_time: '08:00', end_time: '09:00', interval: 1s}}]"


def test_warnings_are_said_beside_the_fixed_form() -> None:
    shown = run("validate", "-", text=OFTEN)
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert "warning: fires_often" in shown.stderr
    told = json.loads(run("validate", "-", "-o", "json", text=OFTEN).stdout)
    assert told["problems"] == []
    assert [warning["code"] for warning in told["warnings"]] == ["fires_often"]


def test_validate_reads_standard_input_also_as_json() -> None:
    text = '{"version": 1, "instances": [{"id": "a", "app": "x", "schedule": {"cron": "@daily"}}]}'
    assert run("validate", "-", text=text).exit_code == 0
    told = json.loads(run("validate", "-", "-o", "json", text=text.replace("1,", "NaN,", 1)).stdout)
    assert told["problems"][0]["code"] == "not_json"


def test_a_file_that_is_not_there_is_a_mistake_of_use() -> None:
    assert getattr(run("validate", "no-such-file.yml").exception, "exit_code", None) == 2


def test_schema_is_printed_as_it_is_published() -> None:
    assert run("schema").stdout == schedule_schema_text()
