"""Results that are kept, and the table of docs/benchmarks.md that is written from them.

One JSON file for each benchmark and size in ``benchmarks/results/``: what the benchmark printed,
and under which command, on what machine and when it was measured.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
BEGIN = "<!-- table: python -m benchmarks table -->"
END = "<!-- end of table -->"
QUIET = 0.8
"""The share of idle processor time, before a run, from which a machine is called quiet."""

AIMS = {
    "b1": "≥ 0.7 of the limit at 100 k",
    "b2": "p99 ≤ 5 ms, never early",
    "b3": "first ≤ 0.3 s, all ≤ 3 s",
    "b4": "≥ 0.5 of the limit",
    "b5": "warm sweep ≤ 0.15 s",
    "b6": "≥ 30 k/s, max/mean ≤ 1.05",
    "b7": "≤ 10 ms above the limit at p50",
    "b8": "≤ 1.15 of the limit; no-op ≤ 1.5 s and ≤ a tenth of Ansible's",
    "b9": "gap ≤ 1.2 s; 0 lost, 0 double",
}
_COLUMNS = ("id", "size", "ours", "limit", "unit", "ours / limit", "also", "aim", "machine",
            "command")  # fmt: skip
_OWN_COLUMN = {"id", "size", "ours", "limit", "unit", "ratio_to_limit", "command", "machine", "on",
               "spread", "limit_spread"}  # fmt: skip


def machine(seconds: float = 2.0) -> str:
    """Describe the machine as a table shows it: its processors, and whether they are in use."""
    before = _processor_times()
    time.sleep(seconds)
    after = _processor_times()
    idle, whole = after[0] - before[0], after[1] - before[1]
    state = "quiet" if idle >= QUIET * whole else "busy"
    return f"{os.cpu_count()} cores, {state}"


def keep(outcome: Mapping[str, Any], facts: Mapping[str, str], on: datetime) -> Path:
    """Write a result to its file, in place of the one before; `facts` are command and machine."""
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / f"{outcome['id']}-{outcome['size']}.json"
    kept = {**outcome, **facts, "on": f"{on:%Y-%m-%d}"}
    file.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def kept() -> list[dict[str, Any]]:
    """Read all results, by id and size."""
    found = [json.loads(file.read_text(encoding="utf-8")) for file in FOLDER.glob("*.json")]
    return sorted(found, key=lambda result: (result["id"], result["size"]))


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """Write results as a table in Markdown."""
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|" + "---|" * len(_COLUMNS)]
    for result in results:
        cells = [
            result["id"].upper(), f"{result['size']:,}", _number(result["ours"]),
            _number(result["limit"]), result["unit"], _number(result["ratio_to_limit"]),
            _rest(result), AIMS.get(result["id"], ""), f"{result['machine']}, {result['on']}",
            f"`{result['command']}`",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def document(text: str, results: Sequence[Mapping[str, Any]]) -> str:
    """Return the document with the table in its place."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table(results)}\n\n{END}{after}"


def write_document() -> None:
    """Write the table of all kept results into docs/benchmarks.md."""
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(document(text, kept()), encoding="utf-8")


def _rest(result: Mapping[str, Any]) -> str:
    """Show what else a result says, but for lists and tables in it: those are in its file."""
    told = {name: value for name, value in result.items() if name not in _OWN_COLUMN}
    return ", ".join(
        f"{name} {_number(value)}"
        for name, value in told.items()
        if isinstance(value, (int, float, str)) and not isinstance(value, bool)
    )


def _number(value: float | str | None) -> str:
    """Show three digits that matter, thousands apart."""
    if not isinstance(value, (int, float)):
        return "" if value is None else value
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _processor_times() -> tuple[int, int]:
    """Return idle and whole time of all processors, in ticks, as the kernel counts them."""
    line = Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0]
    ticks = [int(word) for word in line.split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)
