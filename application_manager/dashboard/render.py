"""From values to pages: the templates' environment, and what every page is given."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from application_manager.api.parts import Parts
from application_manager.dashboard import times, words
from application_manager.dashboard.times import ZoneChoice, zone_choice
from application_manager.domain.access import Actor
from common.job_words import reason_words

ROOM = Path(__file__).parent
STATIC = ROOM / "static"
THEMES = ("light", "dark")
NAVIGATION = (
    ("overview", "/", "Overview", "g o"),
    ("timeline", "/timeline", "Timeline", "g t"),
    ("instances", "/instances", "Instances", "g i"),
    ("jobs", "/jobs", "Jobs", "g j"),
    ("nodes", "/nodes", "Nodes", "g n"),
    ("upload", "/upload", "Upload", "g u"),
    ("services", "/services", "Services", "g s"),
    ("notices", "/notices", "Notices", "g m"),
    ("audit", "/audit", "Audit", "g a"),
    ("users", "/users", "Users & tokens", "g p"),
)


@dataclass(frozen=True)
class View:
    """One request for a page: who asks, when, and whose clock they want to see."""

    request: Request
    actor: Actor
    now: datetime
    zones: ZoneChoice
    theme: str | None

    def url(self, **changes: Any) -> str:
        """Return this page's address with some filters changed; None takes one away."""
        query = {**self.request.query_params, **changes}
        kept = {key: str(value) for key, value in query.items() if value not in (None, "")}
        return self.request.url.path + (f"?{urlencode(kept)}" if kept else "")


def view_of(request: Request, parts: Parts, actor: Actor) -> View:
    """Read what the reader's cookies wish."""
    cookies = request.cookies
    theme = cookies.get("rota_theme")
    zones = zone_choice(cookies.get("rota_zone"), cookies.get("rota_tz"))
    return View(request, actor, parts.clock.now(), zones, theme if theme in THEMES else None)


def page(view: View, template: str, /, **values: Any) -> HTMLResponse:
    """Render one page; never from a cache: what is shown is how it was at `view.now`."""
    text = environment().get_template(template).render(
        view=view, now=view.now, nav=NAVIGATION, when=Moments(view), **values
    )  # fmt: skip
    return HTMLResponse(text, headers={"Cache-Control": "no-store"})


class Moments:
    """Instants as HTML for one reader: ``<time>`` with the zone in its title, and relative."""

    def __init__(self, view: View) -> None:
        self._view = view

    def __call__(self, moment: datetime | None, zone: str | None = None, **how: bool) -> Markup:
        """Write one instant; `relative=False` leaves the distance away, `both=False` the date."""
        if moment is None:
            return Markup('<span class="muted">—</span>')
        name = self._view.zones.zone_for(zone)
        shown = times.absolute(moment, name, self._view.now)
        short = times.abbreviation(moment, name)
        attributes = Markup(
            '<time datetime="{}" title="{}" data-zone="{}">{} <span class="rel">{}</span>'
        ).format(moment.isoformat(), times.full(moment, name), name, shown, short)
        if not how.get("relative", True):
            return attributes + Markup("</time>")
        far = times.relative(moment, self._view.now)
        distance = Markup(' <span class="rel">· <span data-rel>{}</span></span></time>').format(far)
        return attributes + distance

    def clock(self, moment: datetime) -> str:
        """Write the time of day alone, for axes."""
        return f"{moment.astimezone(ZoneInfo(self._view.zones.zone_for())):%H:%M}"

    def far(self, moment: datetime | None, zone: str | None = None) -> Markup:
        """Write the distance; the instant itself is in the title."""
        if moment is None:
            return Markup('<span class="muted">—</span>')
        title = times.full(moment, self._view.zones.zone_for(zone))
        return Markup('<time datetime="{}" title="{}"><span data-rel>{}</span></time>').format(
            moment.isoformat(), title, times.relative(moment, self._view.now)
        )


@cache
def environment() -> Environment:
    """Make the templates' environment, once."""
    made = Environment(
        loader=FileSystemLoader(ROOM / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.globals.update(
        static=static_url, icon=icon, job_look=words.job_look, node_look=words.node_look,
        instance_look=words.instance_look,
    )  # fmt: skip
    made.filters.update(
        reason=reason_words, exit=words.exit_words, span=words.span_words,
        bytes=words.bytes_words, late=words.late_words, percent=percent, pretty=pretty,
    )  # fmt: skip
    return made


@cache
def static_url(name: str) -> str:
    """Return the address of a static file; it changes with the content, so browsers may keep it."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]
    return f"/static/{name}?v={digest}"


def icon(name: str) -> Markup:
    """Draw an icon of the sprite; decoration, since a word always stands beside it."""
    return Markup('<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>').format(
        static_url("icons.svg"), name
    )


def percent(value: float | None) -> str:
    return "—" if value is None else f"{value * 100:.0f} %"


def pretty(value: Any, key: str = "") -> str:
    """Write a value of a spec as a person would; its key tells the unit."""
    if value is None:
        return "—"
    if key.endswith("_bytes"):
        return words.bytes_words(float(value))
    if key.endswith("_s") and isinstance(value, (int, float)):
        return words.span_words(float(value))
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
