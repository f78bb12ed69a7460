"""Reads what the platform's file says of Kafka and MySQL beyond where they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from common.documents import Checker, Node
from platform_initializer.domain.brokers import QUORUM_OF

AUTO = "auto"


def read_brokers(
    checker: Checker, keys: Mapping[str, Node], on: Sequence[str]
) -> int | None:
    """Return how many brokers are wanted, None where the facts decide; problems are noted."""
    if "on" in keys and len(on) not in {0, 1, QUORUM_OF}:
        checker.add(keys["on"], "services.kafka.on", "bad_value",
                    f"{len(on)} brokers agree on nothing that one or three do not",
                    hint="name one machine or three")  # fmt: skip
    count = _replicas(checker, keys["replicas"]) if "replicas" in keys else None
    if count is not None and on and count != len(on):
        checker.add(keys["replicas"], "services.kafka.replicas", "bad_value",
                    f"it is pinned to {len(on)} machines",
                    hint="name as many under `on`, or leave one of the two out")  # fmt: skip
    return len(on) if on else count


def check_machines(checker: Checker, root: Node, brokers: int | None, machines: int) -> None:
    """Note when there are fewer machines than brokers: each needs its own."""
    if brokers is not None and machines and brokers > machines:
        checker.add(root, "services.kafka.replicas", "bad_value",
                    f"{brokers} brokers need as many machines, there are {machines}",
                    hint="add machines, or `replicas: 1`")  # fmt: skip


def _replicas(checker: Checker, node: Node) -> int | None:
    text = checker.text(node, "services.kafka.replicas", any_scalar=True)
    if text is None or text == AUTO:
        return None
    if text not in {"1", str(QUORUM_OF)}:
        checker.add(node, "services.kafka.replicas", "bad_value", f"{text!r} cannot be read here",
                    hint="auto, 1 or 3: an even quorum is no safer than one less")  # fmt: skip
        return None
    return int(text)
