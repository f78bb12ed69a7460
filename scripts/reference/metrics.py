"""The page on metrics, drawn from the calls that register them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from scripts.reference.source import NOTE, called, calls, table

_TYPES = {"Counter": "counter", "Gauge": "gauge", "Histogram": "histogram"}
_UNITS = {"seconds": "s", "bytes": "bytes", "ratio": "0..1", "timestamp": "s since 1970"}
_WHERE = {"common": "all services"}
FIGURES = {
    ("scheduler", "agenda"): "schedules whose next due time is held in memory",
    ("scheduler", "shards"): "shards this replica holds; 16 over all replicas",
    ("scheduler", "ledger_imbalance"): "as `rota_ledger_imbalance`",
    ("deployment_manager", "leads"): "1 for the replica that places, 0 for the others",
    ("deployment_manager", "live"): "deployments that are not over",
    ("deployment_manager", "nodes"): "nodes it knows of",
    ("deployment_manager", "cordons"): "nodes closed after a kill that failed",
    ("load_balancer", "nodes"): "machines it samples",
    ("load_balancer", "silent_nodes"): "machines whose last sample failed",
    ("node_manager", "nodes_active"): "nodes that take jobs",
    ("node_manager", "nodes_suspect"): "nodes silent for 15 s: no new jobs",
    ("node_manager", "nodes_lost"): "nodes silent for 30 s, and SSH agrees",
    ("node_manager", "nodes_draining"): "nodes that finish what they have",
    ("node_manager", "nodes_removed"): "nodes taken out",
    ("application_manager", "stream_readers"): "browsers and programs on the event stream",
    ("application_manager", "dead_letters"): "records nobody could use, of the last week",
    ("client", "containers"): "containers of jobs on this machine",
    ("client", "reports_waiting"): "reports not yet taken by Kafka",
    ("client", "disk_used"): "share of the disk that is used, 0..1",
}
"""(service, name) of every figure of `rota_figure`, and what it says."""
_HEAD = f"""\
{NOTE}

# Metrics

Every service answers `/metrics` in Prometheus' text form on its health port, at 127.0.0.1 of its
machine only: scheduler 7101, deployment manager 7102, load balancer 7103, node manager 7104,
application manager 7105, platform client 7106. A Prometheus (or its agent) on each machine reads
them; [how](../how-to/watch.md). The headline is `rota_start_lateness_seconds`.

Names are those on the wire; a histogram has `_bucket`, `_sum` and `_count`. Counters begin at 0
when their process does. Beside these there are Python's own (`process_*`, `python_*`).
"""
_FIGURES_HEAD = """\
`rota_figure` has one series for each name below; the same numbers are in
`rota service list -o wide`."""


@dataclass(frozen=True)
class Metric:
    """One metric as a service registers it; `name` is the family's on the wire."""

    name: str
    kind: str
    meaning: str
    labels: tuple[str, ...]
    room: str

    @property
    def unit(self) -> str:
        """Tell the unit by the name, as Prometheus' rules have it."""
        words = self.name.removesuffix("_total").split("_")
        return next((_UNITS[word] for word in reversed(words) if word in _UNITS), "number")

    def series(self) -> set[str]:
        """Name what may be asked of it in PromQL."""
        ends = ("_bucket", "_sum", "_count") if self.kind == "histogram" else ("",)
        return {self.name + end for end in ends}


def metrics() -> list[Metric]:
    """List every metric that the code registers, by name."""
    return sorted(_found(), key=lambda metric: metric.name)


def text() -> str:
    """Return the page."""
    rows = [
        [f"`{m.name}`", m.kind, m.unit, ", ".join(f"`{each}`" for each in m.labels), m.meaning,
         _WHERE.get(m.room, m.room.replace("_", " "))]
        for m in metrics()
    ]  # fmt: skip
    lines = [_HEAD, *table(["name", "type", "unit", "labels", "meaning", "of"], rows)]
    lines += ["", "## Figures", "", _FIGURES_HEAD, ""]
    told = [[service.replace("_", " "), f"`{name}`", meaning]
            for (service, name), meaning in FIGURES.items()]  # fmt: skip
    return "\n".join([*lines, *table(["service", "`name`", "meaning"], told)]) + "\n"


def _found() -> Iterator[Metric]:
    for room, call in calls():
        kind = _TYPES.get(called(call))
        texts = [each.value for each in call.args[:2] if isinstance(each, ast.Constant)]
        if kind is None or len(texts) < 2 or not str(texts[0]).startswith("rota_"):
            continue
        name = f"{texts[0]}_total" if kind == "counter" else str(texts[0])
        labels = tuple(ast.literal_eval(call.args[2])) if len(call.args) > 2 else ()
        yield Metric(name, kind, str(texts[1]), labels, room)
