"""Measures Rota against the limits of the machine it runs on: ``python -m benchmarks b1 --size N``.

Each benchmark takes its limits in the same run, on the same broker and database; the last line of
output is one JSON object: id, size, ours, limit, ratio_to_limit, unit, spread, and what else there
is to say. With ``--keep`` it is also written to benchmarks/results/, and ``python -m benchmarks
table`` writes the table of docs/benchmarks.md from there. What each measures is told there, too.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from benchmarks import results

BENCHMARKS = {
    "b1": "storm: jobs due in one second",
    "b2": "lateness at 1,000 due times a second",
    "b3": "recovery after kill -9",
    "b4": "ingest of instances",
    "b5": "a sweep of all nodes over SSH",
    "b6": "durable placements, and how even they are",
    "b7": "from due to running, from stop time to gone",
    "b8": "bringing up a platform, and changing nothing",
    "b9": "take-over by another replica",
}
SIZES = {"b1": 100_000, "b2": 100_000, "b3": 100_000, "b4": 100_000, "b8": 3, "b9": 10_000,
         "b5": 500, "b6": 100_000, "b7": 200}  # fmt: skip


def main() -> int:
    """Run one benchmark, or all of them, and print what came of it."""
    options = _options()
    if options.id == "table":
        results.write_document()
        return 0
    for name in list(BENCHMARKS) if options.id == "all" else [options.id]:
        print(f"{name}: {BENCHMARKS[name]}", file=sys.stderr)
        machine = results.machine() if options.keep else ""
        outcome = _measure(name, options)
        if options.keep:
            facts = {"command": _command(name, options), "machine": machine}
            results.keep(outcome, facts, datetime.now(UTC))  # noqa: TID251 - when it was measured
        print(json.dumps(outcome), flush=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("id", nargs="?", choices=[*BENCHMARKS, "all", "table"], default="all")
    parser.add_argument("--size", type=int, help="schedules resident, jobs or instances")
    parser.add_argument("--runs", type=int, default=1, help="how often to measure")
    parser.add_argument("--seconds", type=int, default=20, help="how long b2 and b9 go on")
    parser.add_argument("--keep", action="store_true", help="write it to benchmarks/results/")
    parser.add_argument("-o", "--output", choices=["json"], default="json")
    return parser.parse_args()


def _measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    size = options.size or SIZES[name]
    module = import_module(f"benchmarks.{name}")
    if hasattr(module, "run"):  # it repeats its arms by itself
        outcome: dict[str, Any] = module.run(size)
    else:
        outcome = module.measure(size, options.runs, options.seconds)
    return outcome


def _command(name: str, options: argparse.Namespace) -> str:
    """Return how to get this result again."""
    words = ["python -m benchmarks", name, f"--size {options.size or SIZES[name]}"]
    if options.runs > 1:
        words.append(f"--runs {options.runs}")
    if name in {"b2", "b9"}:
        words.append(f"--seconds {options.seconds}")
    return " ".join(words)


if __name__ == "__main__":
    sys.exit(main())
