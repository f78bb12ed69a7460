"""Which shards a replica keeps, gives up and takes, so that all share the work. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from common.jobs import SHARDS


@dataclass(frozen=True)
class ShardRow:
    """One shard as the database has it; `is_free`: nobody's lease on it is running."""

    shard: int
    owner: str
    is_free: bool


@dataclass(frozen=True)
class Share:
    """What one replica does about the shards."""

    keep: frozenset[int]
    give_up: frozenset[int]
    take: frozenset[int]


def share_out(rows: Sequence[ShardRow], replica: str, replicas: int) -> Share:
    """Decide for one replica of `replicas` living ones: nobody holds more than its fair part.

    A free shard that was ours last counts as ours: keeping it costs nobody a take-over.
    """
    most = -(-SHARDS // max(1, replicas))
    ours = sorted(row.shard for row in rows if row.owner == replica)
    keep = ours[:most]
    free = sorted(row.shard for row in rows if row.is_free and row.owner != replica)
    return Share(
        keep=frozenset(keep),
        give_up=frozenset(ours[most:]),
        take=frozenset(free[: most - len(keep)]),
    )
