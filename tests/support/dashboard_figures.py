"""Measures the dashboard with 5,000 instances, 500 nodes and 100,000 jobs in the ledger.

    python -m tests.support.dashboard big &        # writes .build/dashboard/big.json when it is up
    python -m tests.support.dashboard_figures

Prints the median first contentful paint of each page, how long the timeline's parts take to come,
and the frames a second of the timeline while it is moved for three seconds.
"""

from __future__ import annotations

import json
from statistics import median
from typing import Any

from tests.support import browser, servers

PAGES = (
    "/", "/timeline", "/timeline?view=table", "/instances", "/instances/canteen-meters", "/jobs",
    "/jobs?show=failed", "/jobs?show=running", "/jobs?q=canteen", "/jobs?late=true", "/nodes",
    "/upload", "/services", "/audit", "/users", "/notices",
)  # fmt: skip
ROUNDS = 5
SPANS_S = (43_200, 86_400, 691_200)
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
_PARTS = """performance.getEntriesByType('resource').filter(r => r.name.includes('.json'))
  .map(r => [r.name.match(/timeline.([a-z]+)/)[1], r.duration])"""
_MOVE = """async (isDiagonal) => {
  const t = window.rotaTimeline, stamps = [], costs = [];
  const paint = t.painter.paint.bind(t.painter);
  t.painter.paint = (at) => { const a = performance.now(); paint(at); costs.push(performance.now() - a); };
  for (let i = 0; i < 180; i += 1) await new Promise((done) => requestAnimationFrame((at) => {
    stamps.push(at);
    t.view({ begin: t.begin + (i < 90 ? -1 : 1) * t.span * 0.006, keep: true });
    if (isDiagonal) t.scroll.scrollTop += 9;
    done();
  }));
  costs.sort((a, b) => a - b);
  const gaps = stamps.slice(1).map((at, i) => at - stamps[i]).sort((a, b) => a - b);
  return { fps: 179000 / (stamps.at(-1) - stamps[0]), worst_ms: gaps.at(-1),
           paint_ms: costs[costs.length >> 1] };
}"""


def main() -> None:
    """Print all figures."""
    told = json.loads((servers.REPOSITORY / ".build/dashboard/big.json").read_text())
    with (
        browser.chromium() as chromium,
        browser.visit(chromium, told["url"]) as opened,
    ):
        opened.log_in("admin", told["password"])
        opened.page.wait_for_url(told["url"] + "/")
        for path in PAGES:
            paints = [paint for _ in range(ROUNDS) if (paint := first_paint(opened, path))]
            print(f"{path:28} first paint {median(paints):6.0f} ms (worst {max(paints):.0f})")
        for span_s in SPANS_S:
            for is_diagonal in (False, True):
                opened.go(f"/timeline?span={span_s}")
                opened.page.wait_for_timeout(4000)
                parts = opened.page.evaluate(_PARTS)
                print(f"timeline {span_s // 3600:4} h, {'diagonal' if is_diagonal else 'sideways'}:",
                      rounded(opened.page.evaluate(_MOVE, is_diagonal)), slowest(parts))  # fmt: skip


def first_paint(opened: browser.Visit, path: str) -> float | None:
    opened.go(path)
    opened.page.wait_for_timeout(300)
    value: float | None = opened.page.evaluate(_PAINT)
    return value


def rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 1) for name, value in figures.items()}


def slowest(parts: list[Any]) -> dict[str, int]:
    """Return the longest request of each kind, in milliseconds."""
    kinds = sorted({kind for kind, _ in parts})
    return {kind: round(max(ms for each, ms in parts if each == kind)) for kind in kinds}


if __name__ == "__main__":
    main()
