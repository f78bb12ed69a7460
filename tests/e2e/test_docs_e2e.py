"""What the documents tell people to type, typed on a running platform, page by page."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.platform import TERMINAL, Platform, wait_for
from tests.support.documents import DOCS, ROOT, Block, Command, blocks, commands, pages

APP = {"app": "rota/demo-app:dev", "command": ["run", "1"]}
PAGES = [page for page in pages() if any(block.kind == "platform" for block in blocks(page))]
JOB = re.compile(r"hostel-a-heating\.\d{8}T\d{6}Z\.\d+")
STORED = ("heating.yml", "clocks.yml")
"""The examples that pages apply; what they name is deleted again."""


@pytest.fixture(scope="module")
def home(platform: Platform) -> Iterator[Path]:
    """The folder of the platform's file, with the examples beside it; their apps are the demo's."""
    for file in (DOCS / "examples").glob("*.yml"):
        if file.name not in ("broken.yml", "one-machine.platform.yml"):
            wanted = yaml.safe_load(file.read_text(encoding="utf-8"))
            (platform.folder / file.name).write_text(yaml.safe_dump(with_our_app(wanted)))
    platform.rota("schedule", "apply", str(platform.folder / "heating.yml"), "--yes")
    yield platform.folder
    forget_examples(platform)


def forget_examples(platform: Platform) -> None:
    known = {row["instance"] for row in platform.json("schedule", "list")}
    files = [yaml.safe_load((DOCS / "examples" / name).read_text()) for name in STORED]
    for instance in {each["id"] for file in files for each in file["instances"]} & known:
        platform.rota("schedule", "delete", instance, "--yes")


def with_our_app(file: dict[str, Any]) -> dict[str, Any]:
    for place in (file.get("defaults", {}), *file["instances"]):
        if "app" in place:
            place.update(APP)
    return file


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_does_what_it_says(page: Path, platform: Platform, home: Path) -> None:
    if page.stem == "configurer":  # it begins where nothing is stored
        forget_examples(platform)
    for block in blocks(page):
        if block.kind == "platform":
            follow(block, platform, home)


def follow(block: Block, platform: Platform, home: Path) -> None:
    """Type what a block says; a program is run with the addresses it asks for."""
    if block.language == "python":
        done = run([sys.executable, "-c", block.text], home, addresses_of(platform, home))
        assert done.returncode == 0, f"{block.place}\n{done.stderr}"
        return
    for command in commands(block):
        done = run(argv_of(command, platform), home, stirred_by=stirrer_of(command, platform))
        said = f"{block.place}: {command.text}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == command.exit_code, said
        assert "Traceback" not in done.stderr


def argv_of(command: Command, platform: Platform) -> list[str]:
    """Put the newest job's id where the page names one of the same instance."""
    words = list(command.words[1:])
    if any(JOB.fullmatch(word) for word in words) or words[:2] == ["job", "run"]:
        newest = a_job_that_has_ended(platform)
        words = [newest if JOB.fullmatch(word) else word for word in words]
    return [sys.executable, "-m", "cli", *words]


def a_job_that_has_ended(platform: Platform) -> str:
    """Return the id of the newest job, when none runs any more; make one where there is none."""
    wait_for("the end of what runs", lambda: is_at_rest(platform))
    if not ran(platform):
        platform.rota("job", "run", "hostel-a-heating", "--wait")
    return wait_for("a job", lambda: ran(platform))[-1]["job_id"]


def is_at_rest(platform: Platform) -> bool:
    return all(row["state"] in TERMINAL for row in jobs_of(platform))


def ran(platform: Platform) -> list[dict[str, Any]]:
    return [row for row in jobs_of(platform) if row["node"]]


def jobs_of(platform: Platform) -> list[dict[str, Any]]:
    """Return the newest jobs, oldest first; those of another page will do as well."""
    rows = platform.json("job", "list", "--instance", "hostel-a-heating", "--limit", "20")
    return sorted((row for row in rows if row["state"] != "PLANNED"), key=lambda row: row["due"])


def stirrer_of(command: Command, platform: Platform) -> list[str]:
    """Name what must happen meanwhile: who listens waits for something to be heard."""
    listens = command.words[1:3] == ("event", "tail")
    return [sys.executable, "-m", "cli", "job", "run", "hostel-a-heating"] if listens else []


def addresses_of(platform: Platform, home: Path) -> dict[str, str]:
    status = json.loads(platform.rota("platform", "status", "-f", str(platform.file), "-o", "json").stdout)
    return {"KAFKA": status["kafka"], "SECRETS": str(next(home.rglob("secrets.json")))}


def run(
    argv: list[str], folder: Path, settings: dict[str, str] | None = None, *,
    stirred_by: list[str] | None = None,
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """Run a command where the platform's file is, as whoever brought it up."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder), "NO_COLOR": "1",
                   "XDG_CONFIG_HOME": "", **(settings or {})}  # fmt: skip
    typed = subprocess.Popen(argv, cwd=folder, env=environment, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    if stirred_by:
        subprocess.run(stirred_by, cwd=folder, env=environment, check=False, capture_output=True)
    try:
        out, err = typed.communicate(timeout=60)
    finally:
        typed.kill()
    return subprocess.CompletedProcess(argv, typed.returncode, out, err)
