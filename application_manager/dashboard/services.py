"""The platform's own services: their heartbeats, the shards they hold, and the line of health."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from application_manager.api.guard import Viewer
from application_manager.api.parts import Parts, PartsDep
from application_manager.dashboard.nodes import Tile
from application_manager.dashboard.render import page, view_of
from application_manager.live import list_services
from common.db import Transaction
from common.jobs import SHARDS

Json = dict[str, Any]
KNOWN = (
    ("scheduler", "Scheduler", "decides what is due"),
    ("deployment_manager", "Deployment manager", "decides which node"),
    ("load_balancer", "Load balancer", "samples the nodes over SSH"),
    ("node_manager", "Node manager", "knows which nodes are active"),
    ("application_manager", "Application manager", "this dashboard and the API"),
)
_TONES = {"ok": "good", "unwell": "warn", "silent": "bad"}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Sign:
    """One part's health in two words."""

    name: str
    said: str
    tone: str
    href: str = "/services"
    note: str = ""


@dataclass(frozen=True)
class HealthLine:
    """The whole platform in one line."""

    verdict: str
    tone: str
    signs: Sequence[Sign]


@router.get("/services", response_class=HTMLResponse)
def services_page(request: Request, parts: PartsDep, actor: Viewer) -> HTMLResponse:
    """Show every service and replica as its heartbeat tells."""
    view = view_of(request, parts, actor)
    services = list_services(parts.monitor, view.now)
    with parts.screens.transaction() as transaction:
        shards = transaction.all("shards", now=view.now)
    groups = [
        (name, title, duty, [each for each in services if each["service"] == name])
        for name, title, duty in KNOWN
    ]
    held = sum(row["shards"] for row in shards)
    return page(
        view, "services.html", groups=groups, shards=shards, held=held, all_shards=SHARDS,
        tones=_TONES, letters=parts.letters.newest(), letter_counts=parts.letters.counts(),
    )  # fmt: skip


def health_of(
    transaction: Transaction, parts: Parts, tiles: Sequence[Tile], now: datetime
) -> HealthLine:
    """Sum up: Kafka, MySQL, every service, the shards, the nodes."""
    services = list_services(parts.monitor, now)
    held = sum(row["shards"] for row in transaction.all("shards", now=now))
    signs = [_store_sign(services, "mysql", "MySQL"), _store_sign(services, "kafka", "Kafka")]
    for name, title, _ in KNOWN[:4]:
        signs.append(_service_sign([each for each in services if each["service"] == name], title))
    is_whole = held == SHARDS
    signs[2] = Sign("Scheduler", f"{held} of {SHARDS} shards held" if signs[2].tone == "good"
                    else signs[2].said, signs[2].tone if is_whole else "bad")  # fmt: skip
    signs.append(_nodes_sign(tiles))
    wrong = [sign for sign in signs if sign.tone in {"bad", "warn"}]
    if not wrong:
        return HealthLine("All is well", "good", signs)
    tone = "bad" if any(sign.tone == "bad" for sign in wrong) else "warn"
    return HealthLine(f"{len(wrong)} need{'s' if len(wrong) == 1 else ''} attention", tone, signs)


def _store_sign(services: Sequence[Json], check: str, title: str) -> Sign:
    """Kafka and MySQL as the services that use them say; their silence tells nothing."""
    said = [each["health"][check] for each in services
            if check in each["health"] and each["state"] != "silent"]  # fmt: skip
    if not said:
        return Sign(title, "not known yet", "quiet")
    wrong = [each for each in said if each != "ok"]
    if wrong:
        return Sign(title, f"unwell for {len(wrong)} of {len(said)} services", "bad")
    return Sign(title, "ok", "good", note=f"as {len(said)} services find it")


def _service_sign(replicas: Sequence[Json], title: str) -> Sign:
    if not replicas:
        return Sign(title, "no heartbeat heard", "bad")
    well = [each for each in replicas if each["state"] == "ok"]
    if len(well) == len(replicas):
        return Sign(title, "ok" if len(replicas) == 1 else f"{len(replicas)} replicas ok", "good")
    worst = next(each for each in replicas if each["state"] != "ok")
    said = f"silent for {worst['age_s']:.0f} s" if worst["state"] == "silent" else "unwell"
    return Sign(title, f"{said} ({len(well)} of {len(replicas)} ok)", "warn" if well else "bad")


def _nodes_sign(tiles: Sequence[Tile]) -> Sign:
    there = [tile for tile in tiles if tile.state != "REMOVED"]
    active = [tile for tile in there if tile.state == "ACTIVE"]
    if not there:
        return Sign("Nodes", "none yet", "warn", "/nodes")
    tone = "good" if len(active) == len(there) else "warn" if active else "bad"
    return Sign("Nodes", f"{len(active)} of {len(there)} active", tone, "/nodes")
