"""Renews docs/screenshots from a dashboard that runs on the seeded week.

    python -m tests.support.dashboard small &      # writes .build/dashboard/small.json when it is up
    python -m tests.support.screenshots [folder]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.support import browser, servers

BAD_FILE = """\
version: 1
timezone: Asia/Kolkata
instances:
  - id: hostel-a-heating
    app: heating-control
    schedule: {start_time: "08:00", end_time: "18:00", intervall: 30m, duration: 5m}
  - id: Hostel_B
    app: heating-control
    schedule: {cron: "0 25 * * *"}
"""
PLAN_FILE = """\
version: 1
timezone: Europe/Berlin
instances:
  - id: canteen-lights
    app: lights
    machine: standalone
    schedule: {start_time: "06:30", end_time: "22:00", interval: 45m, duration: 20m}
  - id: hostel-b-heating
    app: heating-control
    place: hostel-b
    resources: {cpus: 1, memory: 256MiB}
    schedule: {start_time: "05:00", end_time: "23:00", interval: 30m, duration: 10m}
"""
SHOTS = (
    ("overview", "/", "light"), ("overview-dark", "/", "dark"),
    ("timeline", "/timeline", "light"), ("timeline-dark", "/timeline?span=86400", "dark"),
    ("timeline-by-node", "/timeline?by=node", "light"),
    ("timeline-table", "/timeline?view=table&q=canteen", "light"),
    ("instances", "/instances", "light"), ("instance", "/instances/canteen-meters", "light"),
    ("jobs", "/jobs", "light"), ("job", "@/jobs?show=running", "light"),
    ("job-failed", "@/jobs?show=failed", "dark"), ("job-waiting", "@/jobs?show=waiting", "light"),
    ("nodes", "/nodes", "light"), ("node", "/nodes/node-02", "dark"),
    ("upload-problems", "+" + BAD_FILE, "light"), ("upload-plan", "+" + PLAN_FILE, "light"),
    ("services", "/services", "light"), ("notices", "/notices", "light"), ("audit", "/audit", "light"), ("users", "/users", "light"),
    ("empty", "/jobs?q=nothing-is-called-so", "light"), ("error", "/nodes/nobody", "light"),
    ("overview-phone", "/", "phone"), ("timeline-phone", "/timeline", "phone"),
    ("job-phone", "@/jobs?show=running", "phone"),
)  # fmt: skip
SETTLED_MS = 1500
WIDE = {"width": 1200, "height": 700}  # pictures under 150 KB


def main() -> None:
    """Take every picture; tell those whose page is wider than its window."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else servers.REPOSITORY / "docs/screenshots"
    told = json.loads((servers.REPOSITORY / ".build/dashboard/small.json").read_text())
    with browser.chromium() as chromium:
        for name, path, mode in SHOTS:
            options = {"viewport": browser.NARROW if mode == "phone" else WIDE,
                       "color_scheme": "dark" if mode == "dark" else "light"}  # fmt: skip
            with browser.visit(chromium, told["url"], **options) as opened:
                opened.log_in("admin", told["password"])
                opened.page.wait_for_url(told["url"] + "/")
                show(opened, path)
                opened.page.wait_for_timeout(SETTLED_MS)
                opened.page.screenshot(path=str(folder / f"{name}.png"))
                print(name, opened.too_wide(), opened.errors)


def show(opened: browser.Visit, path: str) -> None:
    """Go to an address; ``@`` opens the first row of a list, ``+`` plans a file."""
    if path.startswith("+"):
        opened.go("/upload").fill("[data-text]", path[1:])
        opened.page.click("text=Check and plan")
        opened.page.wait_for_selector("#answer [data-focus]")
    elif path.startswith("@"):
        first = opened.go(path[1:]).locator("[data-open]").first.get_attribute("href")
        opened.go(first or "/")
    else:
        opened.go(path)


if __name__ == "__main__":
    main()
