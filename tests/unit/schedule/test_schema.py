"""The published JSON Schema: the copy in config/ is that of the models, and agrees with the reader."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from common.documents import read_document
from common.schedule import load
from common.schedule.schema import schedule_schema, schedule_schema_text
from tests.unit.documents.test_reader import plain
from tests.unit.schedule.test_load import FULL

COPY = Path(__file__).parents[3] / "config/schedule.schema.json"
SCHEMA = schedule_schema()
TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict, "array": list}


def accepts(schema: dict[str, Any], value: Any) -> bool:
    """Judge by the words of JSON Schema that ours uses."""
    if "$ref" in schema:
        return accepts(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], value)
    if "anyOf" in schema:
        return any(accepts(each, value) for each in schema["anyOf"])
    if "enum" in schema:
        return any(value == each and type(value) is type(each) for each in schema["enum"])
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    is_of_type = any(
        isinstance(value, TYPES[name]) and (name == "boolean") == isinstance(value, bool)
        for name in names
    )
    return is_of_type and all(
        (
            re.search(schema.get("pattern", ""), value) if isinstance(value, str) else True,
            in_limits(schema, value),
            accepts_members(schema, value),
        )
    )


def in_limits(schema: dict[str, Any], value: Any) -> bool:
    if isinstance(value, list):
        return schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 10**9)
    if isinstance(value, int | float):
        return schema.get("minimum", -(10**9)) <= value <= schema.get("maximum", 10**9)
    return True


def accepts_members(schema: dict[str, Any], value: Any) -> bool:
    if isinstance(value, list):
        return all(accepts(schema["items"], item) for item in value)
    if not isinstance(value, dict):
        return True
    more, known = schema.get("additionalProperties"), schema.get("properties", {})
    return value.keys() >= set(schema.get("required", ())) and all(
        accepts(known.get(key, more), item) if known.get(key, more) else False
        for key, item in value.items()
    )


def test_the_published_copy_is_that_of_the_models() -> None:
    assert COPY.read_text(encoding="utf-8") == schedule_schema_text(), (
        "run: python -m cli schedule schema > config/schedule.schema.json"
    )


def file_with(**fields: Any) -> dict[str, Any]:
    schedule = {"cron": "@daily"}
    return {"version": 1, "instances": [{"id": "a", "app": "x", "schedule": schedule} | fields]}


GOOD = [
    file_with(), file_with(env={"A": 1, "B": True}), file_with(command="run"), file_with(depends_on=["b", {"instance": "c"}]),
    file_with(schedule={"start_time": "22:00", "end_time": "24:00", "days": "mon-fri"}),
    file_with(schedule={"start": "2026-01-31T09:00+05:30", "interval": "1mo", "exclude": "2026-01-31"}),
    file_with(resources={"cpus": 1, "memory": "1GiB"}, notify={"url": "https://x.example", "on": ["late"]}),
    file_with(notify={"mail": "ops@example.org"}), file_with(notify={"mail": "a+b@x.example", "url": "https://x.example"}),
]  # fmt: skip
BAD = [
    {}, {"version": 1}, {"version": 2, "instances": [{"id": "a"}]}, {"version": 1, "instances": []}, file_with(id="A"),
    file_with(id=5), file_with(env=["A"]), file_with(env={"A": None}), file_with(instances=0), file_with(instances=True),
    file_with(machine="own"), file_with(prio=1), file_with(timeout="5"), file_with(schedule={"start_time": "8:00"}),
    file_with(schedule={"start_time": "24:00"}), file_with(schedule={"start_time": "08:00", "days": ["monday"]}),
    file_with(schedule={"start": "2026-01-01"}), file_with(schedule={"cron": 5}), file_with(node={}),
    file_with(depends_on=[{"on": "done"}]), file_with(notify={"url": "ftp://x"}), file_with(notify={"mail": "ops"}), file_with(resources={"memory": "1GB"}),
]  # fmt: skip


@pytest.mark.parametrize("content", GOOD, ids=json.dumps)
def test_the_schema_and_the_reader_take_what_is_good(content: dict[str, Any]) -> None:
    assert accepts(SCHEMA, content)
    assert load(json.dumps(content), "f.json", known_instances={"b", "c"}).problems == ()


@pytest.mark.parametrize("content", BAD, ids=json.dumps)
def test_the_schema_and_the_reader_refuse_what_is_bad(content: dict[str, Any]) -> None:
    assert not accepts(SCHEMA, content)
    assert load(json.dumps(content), "f.json", known_instances={"b", "c"}).problems != ()


def test_a_whole_file_is_taken() -> None:
    assert accepts(SCHEMA, plain(read_document(FULL, "f.yml").root))
