"""The page in Chromium, on the running platform: log in, and see what was applied run and end."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from tests.e2e.platform import Platform
from tests.e2e.schedules import once, soon
from tests.support import browser as browsers


def test_a_person_logs_in_and_watches_a_job_run_and_end(platform: Platform) -> None:
    url = platform.json("platform", "status", "-f", str(platform.file))["url"]
    secrets = json.loads(next(platform.folder.rglob("secrets.json")).read_text())
    platform.apply(once("on-the-page", soon(8), ["run", "6"]))
    # The platform's own authority is in no browser's store.
    with (
        browsers.chromium() as chromium,
        browsers.visit(chromium, url, ignore_https_errors=True) as person,
    ):
        person.log_in("admin", secrets["admin_password"])
        person.page.wait_for_url(url + "/")
        expect(person.page.locator("body")).to_contain_text("m1")
        page = person.go("/instances/on-the-page")
        expect(page.locator("h1")).to_have_text("on-the-page")
        expect(page.locator("body")).to_contain_text("RUNNING", timeout=30_000, ignore_case=True)
        expect(page.locator("body")).to_contain_text("SUCCEEDED", timeout=30_000, ignore_case=True)
        assert person.errors == []
        cookies = {c["name"]: c["secure"] for c in person.page.context.cookies()}
        assert cookies["rota_session"], "it is sent over TLS only"
