"""The dashboard in Chromium, on the real application manager, MySQL and Kafka, with a seeded week."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import browser as browsers
from tests.support import dashboard, seed, servers
from tests.support.browser import Visit
from tests.support.dashboard import Dashboard

pytestmark = pytest.mark.patient

SCREENS = {
    "/": "Overview", "/timeline": "Timeline", "/timeline?view=table": "Timeline",
    "/timeline?by=node": "Timeline", "/instances": "Instances",
    "/instances/canteen-meters": "canteen-meters", "/jobs": "Jobs", "/jobs?q=nothing-is-called-so":
    "Jobs", "/nodes": "Nodes", "/nodes/node-02": "node-02", "/upload": "Upload",
    "/services": "Services", "/notices": "Notices", "/audit": "Audit", "/users": "Users and tokens",
}  # fmt: skip
BAD_FILE = """\
version: 1
instances:
  - id: new-heating
    app: rota/demo-app:dev
    schedule: {cron: "61 * * * *"}
  - id: other
    ap: rota/demo-app:dev
    schedule: {start_time: "08:00"}
"""
GOOD_FILE = """\
version: 1
instances:
  - id: new-heating
    app: rota/demo-app:dev
    command: [run, "5"]
    schedule: {cron: "0 * * * *", duration: 5m}
"""

expect.set_options(timeout=20_000)  # a busy machine is slow, not wrong


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    folder: Path = tmp_path_factory.mktemp("dashboard")
    with (
        servers.mysql() as mysql,
        servers.kafka() as kafka,
        dashboard.running(mysql, kafka, folder, seed.SMALL) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browsers.chromium() as browser:
        yield browser


@pytest.fixture(scope="module", name="visit")
def admins_visit(shown: Dashboard, chromium: Browser) -> Iterator[Visit]:
    """One window in which the administrator is logged in."""
    with browsers.visit(chromium, shown.url) as opened:
        opened.log_in("admin", shown.password)
        opened.page.wait_for_url(shown.url + "/")
        yield opened


@pytest.fixture(autouse=True)
def no_errors_in_the_browser(visit: Visit) -> Iterator[None]:
    visit.errors.clear()
    yield
    assert visit.errors == []


def rows(shown: Dashboard, query: str, **parameters: Any) -> list[dict[str, Any]]:
    with shown.admin.transaction() as transaction:
        return [dict(row) for row in transaction.all(query, **parameters)]


def call(shown: Dashboard, path: str, body: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {shown.token}"}
    answer = httpx.post(f"{shown.url}/api/v1{path}", json=body, headers=headers, timeout=10)
    assert answer.is_success, answer.text


def confirm(page: Page, word: str) -> None:
    page.locator("#ask [data-ask-yes]").filter(has_text=word).click()


def until(page: Page, expression: str, timeout_s: float = 20.0) -> None:
    """Wait for an expression to hold; the content policy forbids Playwright's own way (eval)."""
    began = time.monotonic()
    while not page.evaluate(expression):
        assert time.monotonic() - began < timeout_s, f"not within {timeout_s} s: {expression}"
        page.wait_for_timeout(100)


def test_a_wrong_password_is_told_and_a_right_one_goes_on_to_the_page_asked_for(
    shown: Dashboard, chromium: Browser
) -> None:
    with browsers.visit(chromium, shown.url) as stranger:
        page = stranger.go("/jobs?show=failed")
        page.fill("[name=name]", "admin")
        page.fill("[name=password]", "not the password")
        page.click("button")
        expect(page.get_by_role("alert")).to_contain_text("wrong")
        assert stranger.violations() == []
        page.fill("[name=password]", shown.password)
        page.click("button")
        page.wait_for_url(shown.url + "/jobs?show=failed")
        cookies = {cookie["name"]: cookie for cookie in stranger.context.cookies()}
        assert cookies["rota_session"]["httpOnly"]
        assert cookies["rota_session"]["sameSite"] == "Strict"


@pytest.mark.parametrize("path", SCREENS)
def test_every_screen_is_whole_fits_a_phone_and_gives_axe_nothing(visit: Visit, path: str) -> None:
    page = visit.go(path)
    expect(page.locator("h1")).to_have_text(SCREENS[path])
    assert (visit.too_wide() <= 0, visit.cut_off()) == (True, [])
    assert visit.violations() == []
    page.set_viewport_size(browsers.NARROW)
    assert (visit.too_wide() <= 0, visit.cut_off()) == (True, [])
    page.emulate_media(color_scheme="dark")
    assert visit.violations() == []
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(browsers.WIDE)


def test_the_content_policy_allows_nothing_inline(shown: Dashboard) -> None:
    answer = httpx.get(f"{shown.url}/login", timeout=10)
    policy, text = answer.headers["content-security-policy"], answer.text
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", text)


def test_the_overview_counts_what_runs_and_its_counts_are_links(
    shown: Dashboard, visit: Visit
) -> None:
    page = visit.go("/")
    stat = page.locator("a.stat", has_text="running")
    live = [job for job in shown.week.jobs
            if job["state"] in {"STARTING", "RUNNING", "STOPPING", "UNKNOWN"}]  # fmt: skip
    expect(stat.locator(".figure")).to_have_text(str(len(live)))
    stat.click()
    expect(page.locator("tbody tr")).to_have_count(len(live))


def test_upload_shows_every_problem_at_its_line_then_the_plan_and_applies(
    shown: Dashboard, visit: Visit
) -> None:
    page = visit.go("/upload")
    page.fill("[data-text]", BAD_FILE)
    page.click("text=Check and plan")
    expect(page.locator("#problems-title")).to_have_text(re.compile(r"^[2-9] problems"))
    assert {line.split(":")[0] for line in page.locator(".problem-list .num").all_inner_texts()} == {"5", "6", "7"}
    expect(page.locator("#line-7.has-problem + .problem")).to_contain_text("app")
    assert visit.violations() == []
    page.locator(".problem-list a").first.click()
    assert page.evaluate("document.activeElement.selectionStart") > 0
    page.fill("[data-text]", GOOD_FILE)
    page.click("text=Check and plan")
    expect(page.locator("#plan-title")).to_have_text("Plan")
    expect(page.locator(".plan li")).to_contain_text(["new-heating"])
    assert rows(shown, "instance", instance="new-heating") == []
    page.click("[data-apply]")
    confirm(page, "Apply")
    expect(page.locator(".toast")).to_contain_text("1 added")
    assert rows(shown, "instance", instance="new-heating")[0]["version"] == 1


def test_run_now_pause_with_a_reason_and_resume(shown: Dashboard, visit: Visit) -> None:
    page = visit.go("/instances/canteen-air")
    page.click("text=Run now")
    confirm(page, "Run now")
    expect(page.locator(".toast")).to_contain_text("asked for")
    assert rows(shown, "asked")[-1]["kind"] == "run"
    assert rows(shown, "asked")[-1]["requested_by"] == "admin"
    page.click("button:has-text('Pause')")
    page.fill("#ask [name=answer]", "the sensor is being replaced")
    confirm(page, "Pause")
    expect(page.locator(".note").first).to_contain_text("the sensor is being replaced")
    assert rows(shown, "instance", instance="canteen-air")[0]["paused"]
    visit.go("/instances/canteen-air").click("button:has-text('Resume')")
    confirm(page, "Resume")
    expect(page.locator(".note", has_text="Paused")).to_have_count(0)


def test_a_running_job_is_followed_searched_and_stopped(shown: Dashboard, visit: Visit) -> None:
    job = rows(shown, "running")[0]
    page = visit.go(f"/jobs/{job['job_id']}")
    expect(page.locator(".step.is-now")).to_contain_text("Container up")
    expect(page.locator("h2", has_text=f"Why on {job['node']}")).to_be_visible()
    expect(page.locator("[data-log-text]")).to_contain_text('"step": 43')
    page.fill("[data-log-find]", 'step": 42')
    expect(page.locator("[data-log-text] mark")).to_have_count(1)
    assert visit.violations() == []
    page.click("button:has-text('Stop')")
    confirm(page, "Stop it")
    expect(page.locator(".toast")).to_contain_text("asked for")
    asked = rows(shown, "asked")[-1]
    assert (asked["kind"], asked["job_id"]) == ("kill", job["job_id"])


def test_what_changes_is_shown_without_a_reload(shown: Dashboard, visit: Visit) -> None:
    job = rows(shown, "running")[-1]
    page = visit.go(f"/jobs/{job['job_id']}")
    page.evaluate("window.isTheSamePage = true")
    with shown.admin.transaction() as transaction:
        transaction.execute("end_job", job_id=job["job_id"])
        transaction.execute(
            "put_events", job_id=job["job_id"], attempt=1, at=seed.utc_now(), from_state="RUNNING",
            to_state="FAILED", reason="exit_code", detail=None,
        )  # fmt: skip
    expect(page.locator(".card header .badge").first).to_contain_text("failed")
    expect(page.locator("dl.facts")).to_contain_text("the application's own error code")
    assert page.evaluate("window.isTheSamePage")


def test_a_node_is_drained(shown: Dashboard, visit: Visit) -> None:
    page = visit.go("/nodes/node-01")
    page.click("button:has-text('Drain')")
    choices = page.locator("#drain-choices")
    expect(choices).to_contain_text("on node-01")
    expect(choices.get_by_role("button")).to_have_count(3)
    choices.get_by_role("button", name="Let its jobs end").click()
    expect(page.locator(".toast")).to_contain_text("asked for")
    wish = rows(shown, "node_wishes")[-1]
    assert (wish["node_id"], wish["wish"]) == ("node-01", "DRAINING")


def test_a_backfills_dialog_tells_anew_what_is_meant_when_its_range_changes(visit: Visit) -> None:
    page = visit.go("/instances/canteen-meters")
    page.click("button:has-text('Backfill')")
    told = page.locator("#backfill-shown")
    expect(told).to_contain_text("exists already")
    page.fill("[name=first]", "2020-01-01T00:00")
    expect(told).to_contain_text("More than 100 due times")
    page.fill("[name=first]", "")
    expect(told).to_contain_text("is not a date and a time")
    expect(told.get_by_role("button")).to_have_text(["Close"])
    assert visit.errors == []


def test_the_timeline_draws_past_and_future_and_is_moved_by_hand_and_keys(visit: Visit) -> None:
    page = visit.go("/timeline")
    items = "[...rotaTimeline.tiles.kept.values()].flatMap(t => [...t.rows.values()].flat())"
    until(page, "window.rotaTimeline?.tiles.kept.size > 0")
    shown = "['SUCCEEDED', 'PLANNED', 'RUNNING']"
    until(page, f"{shown}.every(state => {items}.some(i => i.state === state))")
    before = page.evaluate("rotaTimeline.begin")
    box = page.locator("[data-chart]").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 600, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 900, box["y"] + 100, steps=5)
    page.mouse.up()
    assert page.evaluate("rotaTimeline.begin") < before - 3600
    until(page, "location.search.includes('from=')")
    page.click("button[data-now]")
    until(page, "!location.search.includes('from=')")
    page.locator("[data-frame]").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-said]")).to_contain_text("boiler-room-air")
    span = page.evaluate("rotaTimeline.span")
    page.keyboard.press("+")
    assert page.evaluate("rotaTimeline.span") == span / 2


def test_the_table_beside_the_timeline_tells_the_same_next_starts(visit: Visit) -> None:
    page = visit.go("/timeline?span=21600")
    until(page, "window.rotaTimeline?.tiles.kept.size > 0")
    planned = "[...rotaTimeline.tiles.kept.values()].flatMap(t => [...t.rows].flatMap(([row, items]) => items.filter(i => i.kind === 'planned').map(i => [i.due, rotaTimeline.rows[row]])))"
    until(page, f"{planned}.length > 0 && rotaTimeline.tiles.loading.size === 0")
    drawn = {(due, name) for due, name in page.evaluate(planned)}
    visit.go("/timeline?view=table")
    visible = {name for _, name in drawn}
    told = [
        (datetime.fromisoformat(row.locator("time").first.get_attribute("datetime") or ""),
         row.locator("a").first.inner_text())
        for row in page.locator("section", has_text="Ahead").locator("tbody tr").all()[:20]
    ]  # fmt: skip
    expected = {(due.timestamp(), name) for due, name in told if name in visible}
    assert len(expected) >= 5
    assert expected <= drawn


def test_the_feed_is_a_calendar(visit: Visit) -> None:
    answer = visit.page.request.get(f"{visit.url}/timeline.ics?q=canteen-heating")
    assert answer.headers["content-type"].startswith("text/calendar")
    text = answer.text()
    assert text.startswith("BEGIN:VCALENDAR\r\n")
    assert "SUMMARY:canteen-heating" in text
    assert "SUMMARY:library" not in text


def test_keys_filter_move_open_and_help(visit: Visit) -> None:
    page = visit.go("/jobs?hours=24")
    page.keyboard.press("/")
    page.keyboard.type("canteen")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"q=canteen"))
    assert "hours=24" in page.url
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    chosen = page.locator("tr[aria-selected=true] a").first.get_attribute("href")
    assert chosen == page.locator("tbody tr a").first.get_attribute("href")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(re.escape(chosen or "")))
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    assert visit.violations() == []
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("n")
    page.wait_for_url(re.compile(r"/nodes$"))


def test_times_are_told_in_the_readers_zone_on_demand_and_the_theme_is_kept(visit: Visit) -> None:
    page = visit.go("/jobs")
    assert page.locator("tbody time").first.get_attribute("title", timeout=5000).endswith("UTC")
    page.click("[data-zone-choice=mine]")
    expect(page.locator("tbody time").first).to_have_attribute("title", re.compile("CE[S]?T$"))
    page.wait_for_selector("body[data-started]")
    page.click("[data-zone-choice=utc]")
    expect(page.locator("tbody time").first).to_have_attribute("title", re.compile("UTC$"))
    page.wait_for_selector("body[data-started]")
    page.click("[data-theme-switch]")
    assert visit.go("/nodes").locator("html").get_attribute("data-theme") == "dark"
    page.click("[data-theme-switch]")


def test_a_viewer_may_look_and_nothing_else(shown: Dashboard, chromium: Browser) -> None:
    password = "only for looking 1"
    call(shown, "/users", {"name": "vera", "password": password, "role": "viewer"})
    with browsers.visit(chromium, shown.url) as viewer:
        viewer.log_in("vera", password)
        page = viewer.go("/instances/canteen-air")
        expect(page.locator("button:has-text('Run now')")).to_be_disabled()
        expect(page.locator("nav >> text=Users")).to_have_count(0)
        refused = viewer.go("/users")
        expect(refused.locator("h1")).to_have_text("You may not do that")
        assert viewer.violations() == []


def test_a_calendar_link_is_made_shown_once_and_opens_its_calendar(visit: Visit) -> None:
    page = visit.go("/users")
    page.click("button:has-text('Calendar link')")
    dialog = page.locator("#new-calendar")
    dialog.locator("[name=name]").fill(f"phone-{secrets.token_hex(3)}")
    dialog.locator("[name=instance]").fill("canteen-meters")
    dialog.locator("button:has-text('Make it')").click()
    shown_once = page.locator("dialog[open]")
    expect(shown_once).to_contain_text("/api/v1/calendar/instance.canteen-meters.")
    (link,) = re.findall(r"https?://\S+\.ics", shown_once.inner_text())
    given = page.request.get(link, headers={"cookie": ""})
    assert given.headers["content-type"].startswith("text/calendar")
    assert "SUMMARY:canteen-meters" in given.text()
    assert visit.violations() == []
    shown_once.locator("button:has-text('I have it')").click()
    expect(page.locator("body")).not_to_contain_text("calendar/instance.")


def test_ones_own_password_is_changed_and_only_the_new_one_logs_in(
    shown: Dashboard, chromium: Browser
) -> None:
    old, new = "the first password 1", "the second password 2"
    call(shown, "/users", {"name": "paula", "password": old, "role": "viewer"})
    with browsers.visit(chromium, shown.url) as opened:
        opened.log_in("paula", old)
        page = opened.go("/jobs")
        page.get_by_role("button", name="Change your password").click()
        dialog = page.locator("#own-password")
        dialog.locator("[name=old]").fill(old)
        dialog.locator("[name=new]").fill(new)
        dialog.locator("[data-same]").fill(new)
        dialog.get_by_role("button", name="Change it").click()
        page.wait_for_url(re.compile("/login"))
        assert opened.errors == []
        opened.log_in("paula", old)
        expect(page.get_by_role("alert")).to_contain_text("wrong")
        opened.log_in("paula", new)
        page.wait_for_url(shown.url + "/")


def test_a_channel_is_added_tested_and_removed_by_hand(shown: Dashboard, visit: Visit) -> None:
    page = visit.go("/notices")
    expect(page.locator(".note").filter(has_text="pager does not take its notices")).to_be_visible()
    page.click("button:has-text('Add a channel')")
    dialog = page.locator("#new-channel")
    dialog.locator("[name=name]").fill("night")
    dialog.locator("[name=mail]").fill("night@example.org")
    dialog.get_by_label("late").check()
    assert visit.violations() == []
    dialog.get_by_role("button", name="Add").click()
    row = page.locator("tr", has_text="night").first
    expect(row).to_contain_text("failed, missed, late")
    row.get_by_role("button", name="Test").click()
    expect(page.locator(".toast")).to_contain_text("asked for")
    expect(row).to_contain_text("given up", timeout=30_000)
    expect(page.locator(".note", has_text="night")).to_contain_text("no mail server is set")
    row.get_by_role("button", name="Remove").click()
    confirm(page, "Remove")
    expect(page.locator("tr", has_text="every instance")).to_have_count(2)


def test_a_stopped_server_makes_the_page_stale_and_its_return_makes_it_live(
    shown: Dashboard, visit: Visit
) -> None:
    page = visit.go("/")
    expect(page.locator("[data-live]")).to_have_text("live")
    shown.stop()
    expect(page.locator("[data-live]")).to_have_text(re.compile(r"stale since \d\d:\d\d:\d\d"), timeout=15000)
    assert page.evaluate("getComputedStyle(document.querySelector('main')).filter") != "none"
    shown.start()
    expect(page.locator("[data-live]")).to_have_text("live", timeout=20000)
    visit.errors.clear()  # the connections that were refused meanwhile


def test_what_is_not_there_is_said_on_a_page(visit: Visit) -> None:
    page = visit.go("/jobs/canteen-air.20200101T000000Z.0")
    expect(page.locator("h1")).to_have_text("There is nothing here")
    assert visit.violations() == []
    visit.errors.clear()  # the 404 itself
