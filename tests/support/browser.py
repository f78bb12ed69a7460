"""Chromium for tests, and what every page must keep: no errors, nothing too wide, nothing for axe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
WIDE = {"width": 1360, "height": 860}
NARROW = {"width": 360, "height": 780}
_CUT_OFF = """[...document.querySelectorAll('.table-wrap')]
  .filter((each) => each.scrollWidth > each.clientWidth + 1)
  .map((each) => `${each.scrollWidth} in ${each.clientWidth}: ${each.innerText.slice(0, 80)}`)"""
_TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a browser; `make browser` installs it where it is missing."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """One person's browser window on one dashboard."""

    url: str
    context: BrowserContext
    page: Page
    errors: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        self.page.goto(self.url + path)
        if self.page.locator("main#main").count():  # not the login, not an error
            self.page.wait_for_selector("body[data-started]")
        return self.page

    def log_in(self, name: str, password: str) -> None:
        self.go("/login")
        self.page.fill("[name=name]", name)
        self.page.fill("[name=password]", password)
        self.page.click("button")

    def too_wide(self) -> int:
        """Return how many pixels the page is wider than the window."""
        return int(self.page.evaluate(_TOO_WIDE))

    def cut_off(self) -> list[str]:
        """Return the tables that are wider than their place: what is cut off is not seen."""
        found: list[str] = self.page.evaluate(_CUT_OFF)
        return found

    def violations(self) -> list[str]:
        """Return what axe finds: rule, and the first elements that break it."""
        self.page.evaluate(_axe())
        found: dict[str, Any] = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{each['id']}: {each['help']}: {[node['html'][:160] for node in each['nodes'][:3]]}"
            for each in found["violations"]
        ]


@contextmanager
def visit(browser: Browser, url: str, **options: Any) -> Iterator[Visit]:
    """Open a window of its own; what goes wrong in it is kept in `errors`."""
    options = {"viewport": WIDE, "locale": "en-GB", "timezone_id": "Europe/Berlin", **options}
    context = browser.new_context(**options)
    opened = Visit(url, context, context.new_page())
    opened.page.on("pageerror", lambda error: opened.errors.append(str(error)))
    opened.page.on(
        "console",
        lambda said: opened.errors.append(said.text) if said.type == "error" else None,
    )
    try:
        yield opened
    finally:
        context.close()


@cache
def _axe() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
