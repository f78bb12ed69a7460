"""One platform for all end-to-end tests: made by the initializer, removed at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.court import WITNESS
from tests.e2e.platform import MACHINES, REPOSITORY, Platform, now

PLATFORM_FILE = """\
version: 1
platform: {name}
provision:
  driver: docker
  pools: [{{name: m, count: 3, cpus: 2, memory: 4GiB}}]
images: {{apps: ["rota/demo-app:dev", "rota/probe:dev"], policy: ./policy.json}}
secrets: {{store: ./secrets.json}}
"""
# Each container tells a witness on its machine what became of it, past Docker and the platform.
POLICY = {"images": {"rota/demo-app:*": {"volumes": {WITNESS: "/witness"}}}}


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform, services placed by themselves."""
    with brought_up(tmp_path_factory.mktemp("e2e")) as running:
        yield running


@contextmanager
def brought_up(folder: Path, more: str = "") -> Iterator[Platform]:
    """Bring the platform up as a user would, three bare machines at first; `more` of its file.

    ``ROTA_E2E_KEEP=FOLDER`` takes and leaves a platform there, for whoever works on these tests;
    ``ROTA_E2E_NAME`` gives it a name of its own, so that two may run on one host.
    """
    for script in ("ensure-docker.sh", "ensure-lxcfs.sh"):
        subprocess.run(["bash", str(REPOSITORY / "scripts" / script)], check=True)
    subprocess.run([sys.executable, "-m", "images.build"], cwd=REPOSITORY, check=True)
    kept = os.environ.get("ROTA_E2E_KEEP")
    name = os.environ.get("ROTA_E2E_NAME", "e2e")
    running = Platform(name, Path(kept) if kept else folder)
    down = ("platform", "down", "-f", str(running.file), "--destroy", "--yes")
    if not running.file.exists():
        running.file.write_text(PLATFORM_FILE.format(name=name) + more)
        (running.folder / "policy.json").write_text(json.dumps(POLICY))
        running.rota(*down, check=False, timeout=180)  # what an interrupted run may have left
    began = now()
    try:
        running.rota("platform", "up", "-f", str(running.file), timeout=600)
        print(f"\nplatform up in {(now() - began).total_seconds():.1f} s", file=sys.stderr)
        for machine in MACHINES:
            running.on_machine(machine, "install", "-d", "-o", "65534", "-m", "755", WITNESS)
        yield running
    finally:
        if not kept:
            running.rota(*down, check=False, timeout=180)


@pytest.fixture(autouse=True)
def _own_jobs(platform: Platform) -> None:
    """Let a second try see none of the first one's jobs."""
    platform.since = now()
