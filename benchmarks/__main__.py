"""Runs one benchmark: ``python -m benchmarks b6 [--size N]``; the last line is its JSON.

What each measures, against what, is told in its own module, `benchmarks/<id>.py`, which has
``run(size: int) -> dict`` with the keys id, size, ours, limit, ratio_to_limit, unit, spread (and
more), and ``SIZE``, the size it is meant for.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path


def main() -> int:
    """Run what the command line names."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("b[0-9].py"))
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("id", nargs="?", help=f"one of {', '.join(names)}")
    parser.add_argument("--size", type=int, help="other than the one it is meant for")
    arguments = parser.parse_args()
    if arguments.id not in names:
        parser.print_help()
        return 2
    module = importlib.import_module(f"benchmarks.{arguments.id}")
    outcome = module.run(arguments.size or module.SIZE)
    print(json.dumps(outcome))
    return 0


if __name__ == "__main__":
    sys.exit(main())
