"""Nodes: tiles coloured by load, with the figures that the harmonic mean hides, and one node."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse

from application_manager.api.guard import Viewer
from application_manager.api.parts import Parts, PartsDep
from application_manager.api.problems import ApiError
from application_manager.dashboard.jobs import shown
from application_manager.dashboard.render import page, view_of
from application_manager.ledger import JobFilter, list_jobs
from application_manager.live import Sample
from common.db import Row, Transaction
from common.drains import MOST_COUNTED, THERE, fate_of, who_is_there
from common.messages import NodeLoad, NodeState

CEILING = 0.9  # over this in either, a node gets nothing (architecture.md, 3)
BUSY = 0.7
STALE_SAMPLE_S = 30.0
SILENT_S = 15.0
ATTENTION = {"bad": 0, "warn": 1, "quiet": 2, "good": 3}
MOST_TILES = 60  # of more nodes, those that need attention are tiles and all are small fields
NodeId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
_SSH_FIXES = (
    ("host key", "the host key is another one: after a reinstallation run `rota platform up`"),
    ("authentication", "the sampler's key is refused: `rota platform up` puts it there again"),
    ("timed out", "nothing answers on its SSH port: is the machine up, is a firewall between?"),
    ("refused", "nothing listens on the SSH port: is sshd running?"),
    ("resolve", "the machine's name is not known: check its address in the platform file"),
)  # fmt: skip

DRAINS = (("wait", "Let its jobs end"), ("move", "Move what can be moved"),
          ("force", "Kill its jobs"))  # fmt: skip

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Tile:
    """One node as it is shown."""

    node_id: str
    state: str
    wish: str
    reason: str | None
    address: str
    labels: dict[str, str]
    cpus: float
    memory_bytes: int
    jobs: int
    standalone_job: str | None
    since: datetime
    last_heartbeat: datetime
    heartbeat_age_s: float
    cpu: float | None = None
    ram: float | None = None
    load: float | None = None
    sampled_at: datetime | None = None
    sample_age_s: float | None = None
    error: str | None = None

    @property
    def is_fresh(self) -> bool:
        return self.sample_age_s is not None and self.sample_age_s <= STALE_SAMPLE_S

    @property
    def is_silent(self) -> bool:
        return self.heartbeat_age_s > SILENT_S

    @property
    def neck(self) -> str | None:
        """The bottleneck, where one figure is well above the other or near the ceiling."""
        if self.cpu is None or self.ram is None:
            return None
        high, name = max((self.cpu, "cpu"), (self.ram, "ram"))
        low = min(self.cpu, self.ram)
        return name if high > BUSY or high > 2 * low + 0.1 else None

    @property
    def tone(self) -> str:
        if self.state in {NodeState.LOST, NodeState.REMOVED}:
            return "bad" if self.state == NodeState.LOST else "quiet"
        if self.state != NodeState.ACTIVE:
            return "warn"
        if not self.is_fresh or self.cpu is None or self.ram is None:
            return "quiet"
        high = max(self.cpu, self.ram)
        return "bad" if high > CEILING else "warn" if high > BUSY else "good"

    @property
    def verdict(self) -> str:
        """Say in a few words whether it takes jobs."""
        if self.state != NodeState.ACTIVE:
            return {"DRAINING": "gets nothing new", "SUSPECT": "silent: gets nothing new",
                    "LOST": "lost"}.get(self.state, "")  # fmt: skip
        if self.standalone_job:
            return "reserved for one job"
        if self.neck and max(self.cpu or 0, self.ram or 0) > CEILING:
            return f"{self.neck.upper()} over 90 %: gets nothing"
        return "takes jobs" if self.is_fresh else "takes jobs; load not known"


@dataclass(frozen=True)
class Chart:
    """A node's last hour as SVG paths in a box of 600 by 120."""

    cpu: str = ""
    ram: str = ""
    begin: datetime | None = None
    points: int = 0
    samples: Sequence[Sample] = field(default=())


@router.get("/nodes", response_class=HTMLResponse)
def list_page(
    request: Request,
    parts: PartsDep,
    actor: Viewer,
    q: Annotated[str, Query(max_length=64)] = "",
    show: Annotated[str, Query(max_length=20)] = "",
) -> HTMLResponse:
    """Show all nodes as tiles; many of them as small ones."""
    view = view_of(request, parts, actor)
    with parts.screens.transaction() as transaction:
        tiles = all_tiles(transaction, parts, view.now)
    counts = {tone: sum(tile.tone == tone for tile in tiles)
              for tone in ("good", "warn", "bad", "quiet")}  # fmt: skip
    wanted = [tile for tile in tiles if show in ("", tile.tone) and _matches(tile, q)]
    first = sorted(wanted, key=lambda tile: (ATTENTION[tile.tone], tile.node_id))[:MOST_TILES]
    return page(view, "nodes.html", tiles=first if len(wanted) > MOST_TILES else wanted,
                small=wanted if len(wanted) > MOST_TILES else [], total=len(tiles), counts=counts,
                q=q, show=show)  # fmt: skip


@router.get("/nodes/{node_id}", response_class=HTMLResponse)
def node_page(node_id: NodeId, request: Request, parts: PartsDep, actor: Viewer) -> HTMLResponse:
    """Show one node with its load over the last hour and its jobs."""
    view = view_of(request, parts, actor)
    with parts.screens.transaction() as transaction:
        tiles = all_tiles(transaction, parts, view.now)
        tile = next((each for each in tiles if each.node_id == node_id), None)
        if tile is None:
            raise ApiError(404, "no_such_node", f"there is no node {node_id!r}")
        since = view.now - timedelta(days=2)
        rows = transaction.all("busy_nodes", node=node_id, since=since, limit=40)
        jobs = shown(transaction, view, rows)
    chart = chart_of(parts.loads.history(node_id))
    return page(view, "node.html", node=tile, jobs=jobs, chart=chart, fix=fix_for(tile.error))


@router.get("/nodes/{node_id}/drain", response_class=HTMLResponse)
def drain_fragment(
    node_id: NodeId, request: Request, parts: PartsDep, actor: Viewer
) -> HTMLResponse:
    """Tell what each way to drain a node would do to the jobs that are on it now."""
    view = view_of(request, parts, actor)
    wanted = JobFilter(node=node_id, states=THERE, limit=MOST_COUNTED)
    with parts.screens.transaction() as transaction:
        if all(tile.node_id != node_id for tile in all_tiles(transaction, parts, view.now)):
            raise ApiError(404, "no_such_node", f"there is no node {node_id!r}")
    with parts.database.transaction() as transaction:
        found = list_jobs(transaction, wanted)
    jobs = [{**job, "stop_at": _short(job["stop_at"])} for job in found]
    modes = [(mode, word, fate_of(mode, jobs)) for mode, word in DRAINS]
    return page(view, "drain.html", node_id=node_id, told=who_is_there(node_id, jobs),
                modes=modes, count=len(jobs))  # fmt: skip


def all_tiles(transaction: Transaction, parts: Parts, now: datetime) -> list[Tile]:
    """Return every node with its last sample."""
    return [tile_of(row, parts.loads.of(row["node_id"]), now)
            for row in transaction.all("all_nodes")]  # fmt: skip


def tile_of(row: Row, load: NodeLoad | None, now: datetime) -> Tile:
    """Put a node's row and its last sample together."""
    return Tile(
        **{name: row[name] for name in ("node_id", "state", "wish", "reason", "address", "cpus",
                                        "memory_bytes", "jobs", "standalone_job", "since",
                                        "last_heartbeat")},
        labels=json.loads(row["labels"] or "{}"),
        heartbeat_age_s=max(0.0, (now - row["last_heartbeat"]).total_seconds()),
        cpu=load.cpu if load else None,
        ram=load.ram if load else None,
        load=load.load if load else None,
        sampled_at=load.sampled_at if load else None,
        sample_age_s=max(0.0, (now - load.sampled_at).total_seconds()) if load else None,
        error=load.error if load else None,
    )  # fmt: skip


def chart_of(samples: Sequence[Sample]) -> Chart:
    """Draw CPU and RAM over time; no line where there are fewer than two samples."""
    if len(samples) < 2:
        return Chart()
    begin, end = samples[0].at, samples[-1].at
    span_s = max(1.0, (end - begin).total_seconds())
    xs = [600 * (sample.at - begin).total_seconds() / span_s for sample in samples]
    return Chart(
        _path(xs, [sample.cpu for sample in samples]),
        _path(xs, [sample.ram for sample in samples]),
        begin, len(samples), samples,
    )  # fmt: skip


def fix_for(error: str | None) -> str:
    """Say what to do about a sampling error."""
    lowered = (error or "").lower()
    return next((fix for word, fix in _SSH_FIXES if word in lowered), "")


def _short(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else None


def _path(xs: Sequence[float], shares: Sequence[float | None]) -> str:
    """Write an SVG path; a missing sample is a gap in the line, not a value."""
    words, pen = [], "M"
    for x, share in zip(xs, shares, strict=True):
        if share is None:
            pen = "M"
            continue
        words.append(f"{pen}{x:.1f} {120 - 120 * min(1.0, share):.1f}")
        pen = "L"
    return "".join(words)


def _matches(tile: Tile, q: str) -> bool:
    labels = (f"{key}={value}" for key, value in tile.labels.items())
    return not q or any(q in text for text in (tile.node_id, tile.address, *labels))
