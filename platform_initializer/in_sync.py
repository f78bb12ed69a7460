"""Waits until all brokers have what they are to have: ``python3 -m platform_initializer.in_sync``.

Run in a container beside Kafka between two brokers' restarts: with one broker behind and another
one away, a topic of three replicas would take no record.
"""

from __future__ import annotations

import os
import sys
import time

from common.bus.kafka import KafkaBus
from common.config import Settings
from common.errors import RotaError

WITHIN_S = 90.0
POLL_S = 0.5


def main() -> int:
    """Return 0 once no partition lacks a replica in sync; 1, with their names, after 90 s."""
    deadline = time.monotonic() + WITHIN_S
    behind: list[str] = []
    while time.monotonic() < deadline:
        try:
            behind = _behind()
        except RotaError as error:
            behind = [str(error)]
        if not behind:
            return 0
        time.sleep(POLL_S)
    more = f" and {len(behind) - 5} more" if len(behind) > 5 else ""
    print(f"not all replicas are in sync: {', '.join(behind[:5])}{more}", file=sys.stderr)
    return 1


def _behind() -> list[str]:
    bus = KafkaBus(Settings(os.environ).kafka(), "initializer")
    try:
        return bus.out_of_sync()
    finally:
        bus.close()


if __name__ == "__main__":
    sys.exit(main())
