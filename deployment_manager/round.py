"""One round of work: what is decided in one transaction, on the cache, before it is written.

Nothing here touches a door; `store` reads and writes rounds, `service` runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from deployment_manager.domain.deployment import Deployment, Key
from deployment_manager.fleet import Fleet

Rule = Callable[[Deployment], Deployment | None]


@dataclass
class Round:
    """Deployments as this round leaves them; owned by the thread that runs it.

    `ended` holds rows that are no longer live, as the database has them. The fleet is changed as
    the round goes: when its transaction fails, the fleet is to be read anew.
    """

    fleet: Fleet
    ended: dict[Key, Deployment] = field(default_factory=dict)
    new: dict[Key, Deployment] = field(default_factory=dict)
    changed: dict[Key, Deployment] = field(default_factory=dict)
    cordoned: dict[str, str] = field(default_factory=dict)
    uncordoned: set[str] = field(default_factory=set)

    def find(self, key: Key) -> Deployment | None:
        """Return an attempt as it is by now; None where there is no row of it."""
        found = self.new.get(key) or self.changed.get(key)
        return found or self.fleet.live.get(key) or self.ended.get(key)

    def add(self, deployment: Deployment) -> None:
        """Make a new row."""
        self.new[deployment.key] = deployment
        self.fleet.note(deployment)

    def apply(self, key: Key, rule: Rule) -> Deployment | None:
        """Apply a rule to an attempt; return it as it is then."""
        before = self.find(key)
        after = rule(before) if before is not None else None
        if after is not None:
            self.put(after)
        return after or before

    def put(self, deployment: Deployment) -> None:
        """Keep an attempt as it is now."""
        place = self.new if deployment.key in self.new else self.changed
        place[deployment.key] = deployment
        self.fleet.note(deployment)
        if deployment.kill_failed and not deployment.is_live and deployment.node:
            self._lift_cordon(deployment.node)

    def cordon(self, node: str, reason: str) -> None:
        """Let a node get nothing new."""
        self.uncordoned.discard(node)
        self.cordoned[node] = reason
        self.fleet.cordon({**self.fleet.cordons, node: reason}.items())

    def uncordon(self, node: str) -> None:
        """Let a node get jobs again."""
        self.cordoned.pop(node, None)
        self.uncordoned.add(node)
        self.fleet.cordon((k, v) for k, v in self.fleet.cordons.items() if k != node)

    @property
    def outcome(self) -> Iterable[Deployment]:
        """All that this round made or changed."""
        return [*self.new.values(), *self.changed.values()]

    def _lift_cordon(self, node: str) -> None:
        """The last kill that failed on this node is confirmed after all."""
        is_cordoned = node in self.fleet.cordons
        if is_cordoned and not any(d.kill_failed for d in self.fleet.on_node(node)):
            self.uncordon(node)
