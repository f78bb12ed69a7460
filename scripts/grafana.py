"""Writes config/grafana/rota.json, the dashboard: ``python -m scripts.grafana``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parents[1] / "config" / "grafana" / "rota.json"
WIDE, HALF, SMALL = 24, 12, 4
_CERTIFICATE = "rota_certificate_expires_timestamp_seconds"
_SOURCE = {"type": "prometheus", "uid": "${source}"}


def document() -> dict[str, Any]:
    """Return the dashboard."""
    panels = [*_headline(), *_jobs(), *_platform()]
    return {
        "title": "Rota", "uid": "rota", "schemaVersion": 39, "tags": ["rota"], "refresh": "15s",
        "time": {"from": "now-6h", "to": "now"}, "timezone": "browser", "editable": True,
        "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus",
                                 "label": "Prometheus"}]},
        "panels": [panel | {"id": number} for number, panel in enumerate(_placed(panels), 1)],
    }  # fmt: skip


def text() -> str:
    """Return the dashboard as the file has it."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def expressions() -> list[str]:
    """List every question the dashboard asks."""
    return [target["expr"] for panel in document()["panels"] for target in panel["targets"]]


def _headline() -> list[dict[str, Any]]:
    buckets = "sum by (le) (rate(rota_start_lateness_seconds_bucket[$__rate_interval]))"
    lines = {f"p{share}": f"histogram_quantile(0.{share}, {buckets})" for share in (50, 95, 99)}
    mean = ("sum(rate(rota_start_lateness_seconds_sum[$__rate_interval]))"
            " / sum(rate(rota_start_lateness_seconds_count[$__rate_interval]))")  # fmt: skip
    tiles = (
        ("Ledger imbalance", "max(rota_ledger_imbalance)", "none", 1),
        ("Missed, 24 h", 'sum(increase(rota_jobs_ended_total{state="MISSED"}[24h]))', "none", 1),
        ("Nodes active", 'max(rota_figure{name="nodes_active"})', "none", None),
        ("Nodes lost", 'max(rota_figure{name="nodes_lost"})', "none", 1),
        ("Shards held", 'sum(rota_figure{name="shards"})', "none", None),
        ("Certificate ends in", f"min({_CERTIFICATE}) - time()", "s", None),
    )
    chart = _chart("Start lateness: due time to container start", lines | {"mean": mean}, "s")
    return [chart | {"span": WIDE}, *(_tile(*tile) for tile in tiles)]


def _jobs() -> list[dict[str, Any]]:
    ends = "sum by (state) (increase(rota_jobs_ended_total[5m]))"
    return [
        _chart("Jobs that ended, each 5 min", {"{{state}}": ends}, "none"),
        _chart("Live deployments, containers", {
            "deployments": 'max(rota_figure{name="live"})',
            "containers on {{instance}}": 'rota_figure{name="containers"}',
        }, "none"),
        _chart("Starts a second", {
            "starts": "sum(rate(rota_start_lateness_seconds_count[$__rate_interval]))"}, "ops"),
        _chart("What went wrong", {
            "kills not confirmed": "sum(increase(rota_kills_not_confirmed_total[5m]))",
            "stale writes refused": "sum(increase(rota_stale_writes_refused_total[5m]))",
            "dead letters": 'max(rota_figure{name="dead_letters"})',
            "machines without a sample": 'max(rota_figure{name="silent_nodes"})',
        }, "none"),
    ]  # fmt: skip


def _platform() -> list[dict[str, Any]]:
    slow = ("histogram_quantile(0.99, sum by (le) "
            "(rate(rota_http_request_seconds_bucket[$__rate_interval])))")  # fmt: skip
    failed = 'rate(rota_loop_runs_total{outcome!="done"}[$__rate_interval])'
    loops = {"{{loop}} {{outcome}}": f"sum by (loop, outcome) ({failed})"}
    return [
        _chart("API and page, p99", {"p99": slow}, "s"),
        _chart("Loops that do not end well", loops, "ops"),
        _chart("Disk used", {"{{instance}}": 'rota_figure{name="disk_used"}'}, "percentunit"),
        _chart("Memory of services", {
            "{{service}} {{instance}}": 'process_resident_memory_bytes{job="rota"}'}, "bytes"),
    ]  # fmt: skip


def _chart(title: str, lines: dict[str, str], unit: str) -> dict[str, Any]:
    return {"type": "timeseries", "title": title, "span": HALF, "height": 8, **_asked(lines),
            "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []}}  # fmt: skip


def _tile(title: str, question: str, unit: str, bad_from: float | None) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green" if bad_from else "text", "value": None}]
    if bad_from is not None:
        steps.append({"color": "red", "value": bad_from})
    defaults = {"unit": unit, "thresholds": {"mode": "absolute", "steps": steps}}
    return {"type": "stat", "title": title, "span": SMALL, "height": 4, **_asked({"": question}),
            "fieldConfig": {"defaults": defaults, "overrides": []}}  # fmt: skip


def _asked(lines: dict[str, str]) -> dict[str, Any]:
    targets = [
        {"refId": chr(65 + at), "expr": question, "legendFormat": legend, "datasource": _SOURCE}
        for at, (legend, question) in enumerate(lines.items())
    ]
    return {"datasource": _SOURCE, "targets": targets}


def _placed(panels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put panels side by side, a new row where one does not fit."""
    placed, x, y, tallest = [], 0, 0, 0
    for panel in panels:
        width, height = panel["span"], panel["height"]
        if x + width > WIDE:
            x, y, tallest = 0, y + tallest, 0
        rest = {key: item for key, item in panel.items() if key not in {"span", "height"}}
        placed.append(rest | {"gridPos": {"x": x, "y": y, "w": width, "h": height}})
        x, tallest = x + width, max(tallest, height)
    return placed


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
    print(f"wrote {TARGET.name}")
