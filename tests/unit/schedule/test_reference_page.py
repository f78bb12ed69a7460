"""docs/reference/schedule-file.md: every key is there, and every example in it is a good file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from common.schedule import load
from common.schedule.lint import lint
from common.schedule.model import FileKeys, InstanceKeys, ScheduleKeys, keys_of

PAGE = (Path(__file__).parents[3] / "docs/reference/schedule-file.md").read_text(encoding="utf-8")
SECTIONS = {name.strip(): text for name, text in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)}
ROW = re.compile(r"^\| `(\w+)` \| .* \| `(.*)` \|$", re.MULTILINE)


def rows(section: str) -> dict[str, str]:
    return dict(ROW.findall(SECTIONS[section]))


def codes(text: str) -> list[str]:
    return [problem.code for problem in load(text, "f.yml", known_instances={"parent"}).problems]


@pytest.mark.parametrize(
    ("section", "keys"),
    [("Of the file", keys_of(FileKeys)), ("Of an instance", keys_of(InstanceKeys)), ("Of a schedule", keys_of(ScheduleKeys))],
)  # fmt: skip
def test_every_key_is_described(section: str, keys: tuple[str, ...]) -> None:
    assert set(rows(section)) == set(keys)


@pytest.mark.parametrize(("key", "example"), rows("Of the file").items())
def test_examples_of_the_file_are_good(key: str, example: str) -> None:
    others = {"version": "version: 1", "instances": 'instances: [{id: a, app: x, schedule: {cron: "@daily"}}]'}
    assert example.startswith(f"{key}:")
    assert codes("\n".join((others | {key: example}).values())) == []


@pytest.mark.parametrize(("key", "example"), rows("Of an instance").items())
def test_examples_of_an_instance_are_good(key: str, example: str) -> None:
    others = {"id": "id: a", "app": "app: x", "schedule": 'schedule: {cron: "@daily"}'}
    assert example.startswith(f"{key}:")
    body = "\n    ".join((others | {key: example}).values())
    assert codes(f"version: 1\ninstances:\n  - {body}\n") == []


@pytest.mark.parametrize(("key", "example"), rows("Of a schedule").items())
def test_examples_of_a_schedule_are_good(key: str, example: str) -> None:
    assert re.search(rf"\b{key}:", example)
    assert codes(f"version: 1\ninstances: [{{id: a, app: x, schedule: {example}}}]\n") == []


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_whole_files_on_the_page_are_good(block: str) -> None:
    assert codes(block) == []


def test_every_warning_is_described() -> None:
    given = set(re.findall(r'"((?:\w+_)+\w+)"', Path(lint.__globals__["__file__"]).read_text()))
    assert set(re.findall(r"^\| `(\w+)` \|", SECTIONS["Warnings"], re.MULTILINE)) == given
