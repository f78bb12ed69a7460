"""Within 3 s and 256 MiB whatever the input: the real command under the kernel's own limits."""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from common.schedule.zones import zone_names

ROOT = Path(__file__).parents[3]
MOST_BYTES = 256 * 1024
MOST_CPU_S = 3
MOST_MEMORY = 256 * 1024**2
HEAD = "version: 1\ninstances:\n"


def instances(one: str, count: int = 1000) -> str:
    """As many of one line as fit into a file; {i} is its number, {z} a zone."""
    zones = sorted(zone_names())
    lines: list[str] = []
    size = len(HEAD)
    for i in range(count):
        line = "- {" + one.replace("@i", str(i)).replace("@z", zones[i % len(zones)]) + "}\n"
        size += len(line)
        if size > MOST_BYTES:
            break
        lines.append(line)
    return "".join(lines)


def excluding(schedule: str) -> str:
    days = ",".join(str(date(2026, 1, 1) + timedelta(days=i)) for i in range(19_000))
    return (
        f"version: 1\ndefaults: {{app: x, schedule: {{{schedule}, start: 2026-01-01T00:00, exclude: [{days}]}}}}\n"
        "instances:\n" + instances("id: a@i, timezone: @z")
    )


def filled(line: str) -> str:
    return line * (MOST_BYTES // len(line))


def edges(first: int, last: int) -> str:
    return ", ".join(f"a{parent}" for parent in range(first, last))


HOSTILE = {
    "brackets": "[" * 200_000,
    "braces": "{a: " * 60_000,
    "dashes": "- " * 120_000,
    "question marks": "? " * 120_000,
    "a wide list": "[" + "a," * 130_000 + "]",
    "one long word": "a" * MOST_BYTES,
    "one long number": "version: " + "9" * 250_000,
    "too many bytes": "a" * 50_000_000,
    "unknown keys": "".join(f"a{i}: 1\n" for i in range(24_000)),
    "misspelt keys": HEAD + "- {" + ", ".join(f"schedul{i}: 1" for i in range(17_000)) + "}",
    "the same key": filled("version: 1\n"),
    "duplicates below a long key": "? " + "k" * 120_000 + "\n: {" + "a: 1, " * 22_000 + "}\n",
    "aliases": HEAD + "- &a x\n" + filled("- *a\n")[:-100],
    "laughs": "a: &a [x]\n" + "".join(f"b{i}: &b{i} [{'*a, ' * 9}]\n" for i in range(5000)),
    "tags": filled("- !!python/name:os.system x\n"),
    "documents": filled("---\n"),
    "an open quote": 'a: "' + "x\n" * 130_000,
    "escapes": 'a: "' + "\\u0041" * 43_000 + '"',
    "comments": filled("# a: 1\n"),
    "comments and keys": filled("a: # b\n"),
    "blank lines": "\n" * MOST_BYTES,
    "a thousand schedules": HEAD + instances("id: a@i, app: x, timezone: @z, schedule: {cron: '*/7 * 13 * fri', duration: 2h}"),
    "rare dates": HEAD + instances("id: a@i, app: x, timezone: @z, schedule: {cron: '0 0 29 2 */7', duration: 1h}"),
    "huge counts": HEAD + instances(
        "id: a@i, app: x, timezone: @z, schedule: {cron: '0 0 29 2 */7', start: 2097-01-01T00:00, max_jobs: 1000000}"),
    "most excluded, daily": excluding("start_time: '08:00'"),
    "most excluded, cron": excluding("cron: '* * 1-30 * *'"),
    "most excluded, seconds": excluding("interval: 1s"),
    "most excluded, days": excluding("interval: 1d"),
    "most excluded, months": excluding("interval: 1mo"),
    "most excluded, window": excluding("start_time: '08:00', end_time: '07:59', interval: 1s"),
    "a long cron": HEAD + "- {id: a, app: x, schedule: {cron: '" + ",".join(["*"] * 125_000) + " * * * *'}}",
    "layers of parents": HEAD + "".join(
        f"- {{id: a{i}, app: x, depends_on: [{edges(i + 1, min(1000, i + 40))}], schedule: {{cron: '@daily'}}}}\n"
        for i in range(960, 1000)) + instances("id: b@i, app: x, depends_on: [" + edges(960, 995) + "]", 900),
    "a ring of parents": HEAD + "".join(f"- {{id: a{i}, app: x, depends_on: a{(i + 1) % 1000}}}\n" for i in range(1000)),
    "everybody's parents": "version: 1\ndefaults: {app: x, depends_on: [" + edges(0, 1000) + "]}\ninstances:\n" + instances("id: a@i"),
    "a large environment": "version: 1\ndefaults: {app: x, schedule: {cron: '@daily'}, env: {"
    + ", ".join(f"A{i}: {i}" for i in range(15_000)) + "}}\ninstances:\n" + instances("id: a@i"),
    "json: brackets": "[" * 200_000,
    "json: objects": '{"a":' * 50_000,
    "json: quotes": '{"' * 130_000,
    "json: backslashes": '{"a":"' + "\\" * 250_000,
    "json: numbers": '{"version": 1, "instances": [' + "1e999," * 43_000 + "1]}",
    "json: lines": '{"a": [' + "\n" * 250_000 + "1]}",
    "json: one number": "9" * MOST_BYTES,
    "json: the same key": "{" + '"a":1,' * 43_000 + '"a":1}',
}  # fmt: skip


def limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_S, MOST_CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def judge(path: Path) -> tuple[int, list[str]]:
    """Return the exit code and the codes told; a process over its limits is killed."""
    done = subprocess.run(
        [sys.executable, "-m", "cli", "schedule", "validate", str(path), "-o", "json"],
        cwd=ROOT, capture_output=True, preexec_fn=limit, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode in {0, 3}, (done.returncode, done.stderr[-2000:])
    return done.returncode, [problem["code"] for problem in json.loads(done.stdout)["problems"]]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_judged_within_the_limits(name: str, tmp_path: Path) -> None:
    path = tmp_path / ("f.json" if name.startswith("json") else "f.yml")
    path.write_text(HOSTILE[name])
    code, told = judge(path)
    assert (code == 0) == (told == [])
    assert len(told) <= 201


def test_random_bytes_are_judged_within_the_limits(tmp_path: Path) -> None:
    source = random.Random(20260308)
    for size in (100, 10_000, MOST_BYTES):
        path = tmp_path / "f.yml"
        path.write_bytes(source.randbytes(size))
        assert judge(path)[0] == 3
        path.write_text("".join(source.choices("{}[]:,-?&*!|>'\"%#\n a1é", k=size // 2)))
        assert judge(path)[0] == 3
