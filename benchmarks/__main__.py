"""Measures Rota against the limits of the machine it runs on: ``python -m benchmarks b1 --size N``.

Each benchmark takes its limits in the same run, on the same broker and database; the last line of
output is one JSON object: id, size, ours, limit, ratio_to_limit, unit, spread, and what else there
is to say. What each measures is in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module

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
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("id", nargs="?", choices=[*BENCHMARKS, "all"], default="all")
    parser.add_argument("--size", type=int, help="schedules resident, jobs or instances")
    parser.add_argument("--runs", type=int, default=1, help="how often to measure")
    parser.add_argument("--seconds", type=int, default=20, help="how long b2 and b9 go on")
    parser.add_argument("-o", "--output", choices=["json"], default="json")
    options = parser.parse_args()
    chosen = list(BENCHMARKS) if options.id == "all" else [options.id]
    for name in chosen:
        print(f"{name}: {BENCHMARKS[name]}", file=sys.stderr)
        size = options.size or SIZES[name]
        module = import_module(f"benchmarks.{name}")
        if hasattr(module, "run"):  # it repeats its arms by itself
            outcome = module.run(size)
        else:
            outcome = module.measure(size, options.runs, options.seconds)
        print(json.dumps(outcome), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
