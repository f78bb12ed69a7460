"""What Kafka has of a deployment and its row does not say yet.

A mark only saves sending again after a restart, which does no harm. So it waits: most rows
are soon written anew, which makes the mark void or tells the same: one write, not three.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from deployment_manager.domain.deployment import Deployment, Key

AFTER_S = 5.0
"""A live deployment is marked when it has not changed for so long, an ended one at once."""


@dataclass(frozen=True)
class Owed:
    """Marks to write: attempt to revision, attempt to epoch."""

    told: dict[Key, int] = field(default_factory=dict)
    commanded: dict[Key, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.told or self.commanded)


NOTHING_OWED = Owed()


class Marks:
    """Guarded by the deployer's lock. Times are of a monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._told: dict[Key, tuple[int, float]] = {}
        self._commanded: dict[Key, tuple[int, float]] = {}

    def note_told(self, deployment: Deployment, now_s: float) -> None:
        """The snapshot of this revision is in Kafka."""
        due_s = now_s + AFTER_S if deployment.is_live else now_s
        self._told[deployment.key] = deployment.revision, due_s

    def note_commanded(self, key: Key, epoch: int, now_s: float) -> None:
        """The start under this epoch is in Kafka."""
        self._commanded[key] = epoch, now_s + AFTER_S

    def note_written(self, deployments: Iterable[Deployment]) -> None:
        """These rows were written whole: they say what is commanded, and have news to tell."""
        for deployment in deployments:
            told = self._told.get(deployment.key)
            if told is not None and told[0] < deployment.revision:
                del self._told[deployment.key]
            if deployment.is_commanded:
                self._commanded.pop(deployment.key, None)

    def owed(self, now_s: float) -> Owed:
        """Return what is to be marked by now."""
        return Owed(
            {key: revision for key, (revision, due_s) in self._told.items() if due_s <= now_s},
            {key: epoch for key, (epoch, due_s) in self._commanded.items() if due_s <= now_s},
        )

    def settle(self, owed: Owed) -> None:
        """These marks are committed."""
        for key, revision in owed.told.items():
            if self._told.get(key, (0, 0.0))[0] == revision:
                del self._told[key]
        for key, epoch in owed.commanded.items():
            if self._commanded.get(key, (0, 0.0))[0] == epoch:
                del self._commanded[key]

    def forget(self) -> None:
        """The database is read anew."""
        self._told.clear()
        self._commanded.clear()
