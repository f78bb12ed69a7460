"""What the deployment manager knows of the nodes: membership, loads, and who is where.

Nodes and loads are soft; the deployments are a cache of the database, which a leader alone writes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from common.messages import NodeChanged, NodeLoad, NodeState, RunSpec
from deployment_manager.domain.deployment import LIVE, PLACED, D, Deployment, Key
from load_balancer.domain.pool import Pool
from load_balancer.domain.ranking import (
    DEFAULT_CPUS,
    DEFAULT_MEMORY_BYTES,
    FRESH_S,
    Candidate,
    Need,
    Wish,
)

SEEN_BY_SAMPLE_AFTER = timedelta(seconds=4)
"""A started container takes this long to show in the samples; until then its request is debited."""


def need_of(spec: RunSpec) -> Need:
    """Return what a job asks of its node."""
    return Need(
        spec.machine == "standalone", spec.node_labels, spec.cpus or DEFAULT_CPUS,
        spec.memory_bytes or DEFAULT_MEMORY_BYTES,
    )  # fmt: skip


@dataclass(frozen=True)
class Prepared:
    """A node that was told to get ready for an attempt."""

    node: str
    need: Need
    job_set: tuple[str, datetime]
    keep_until: datetime


class Fleet:
    """Nodes, loads and live deployments, indexed. Guarded by the deployer's lock."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeChanged] = {}
        self.live: dict[Key, Deployment] = {}
        self._pool = Pool()
        self._changed: dict[str, None] = {}  # nodes whose accounts are to be drawn up anew
        self._now: datetime | None = None
        self._loads: dict[str, NodeLoad] = {}
        self._cordons: dict[str, str] = {}
        self._here: dict[str, dict[Key, None]] = defaultdict(dict)
        self._sets: dict[tuple[str, datetime], dict[str, int]] = {}
        self.prepared: dict[Key, Prepared] = {}
        """Nodes that were told to get ready for an attempt (`preparing`)."""
        self.holds: dict[Key, str] = {}
        """Nodes that get nothing new until a waiting standalone job has one (`holding`)."""

    @property
    def pool(self) -> Pool:
        """The nodes to choose from, as of now."""
        if self._changed:
            changed, self._changed = self._changed, {}
            for node in changed:
                self._draw_up(node)
        return self._pool

    def forget_deployments(self) -> None:
        """Drop what is a cache of the database; nodes and loads stay."""
        self._changed |= dict.fromkeys([*self._here, *self._cordons, *self.holds.values()])
        self.live, self._cordons, self.holds = {}, {}, {}
        self._here.clear()
        self._sets.clear()

    def note(self, deployment: Deployment) -> None:
        """Keep a deployment while it is live, and its node's account."""
        key, state = deployment.key, deployment.state
        before = self.live.get(key)
        if state in LIVE:
            self.live[key] = deployment
        else:
            self.live.pop(key, None)
        if before is None and state is D.PENDING:
            return  # it has no node, and never had one
        old = before.node if before is not None and before.state in PLACED else None
        new = deployment.node if state in PLACED else None
        if state is not D.PENDING:
            self.release(key)
            self.prepared.pop(key, None)
        if old is None and new is None:
            return
        if old != new:
            self._leave(old, deployment)
            self._enter(new, deployment)
        is_fresh = old is None and deployment.state is D.STARTING
        if is_fresh and new is not None and deployment.command is not None:
            self._debit(new, deployment)
        else:
            self._changed |= dict.fromkeys(node for node in (old, new) if node is not None)

    def hold(self, key: Key, node: str) -> None:
        """Hold a node back for an attempt."""
        self.holds[key] = node
        self._changed[node] = None

    def release(self, key: Key) -> None:
        """Let a node that was held back for an attempt have jobs again."""
        node = self.holds.pop(key, None)
        if node is not None:
            self._changed[node] = None

    def draw_up_again(self, nodes: Iterable[str]) -> None:
        """Forget what was only tried out on these nodes' accounts."""
        self._changed |= dict.fromkeys(nodes)

    def note_commanded(self, key: Key) -> None:
        """Remember that its node has the start command of an attempt."""
        deployment = self.live.get(key)
        if deployment is not None:
            self.live[key] = msgspec.structs.replace(deployment, is_commanded=True)

    def count_on(self, node: str) -> int:
        """Count what is on a node."""
        return len(self._here.get(node, ()))

    def on_node(self, node: str) -> list[Deployment]:
        """Return what is on a node, as far as we know."""
        return [self.live[key] for key in self._here.get(node, ())]

    def wish_of(self, deployment: Deployment) -> Wish:
        """Tell what a deployment would rather have."""
        command = deployment.command
        siblings = self._sets.get((command.instance_id, command.due)) if command else None
        return Wish(siblings or {}, deployment.avoid)

    def note_node(self, node: NodeChanged, now: datetime) -> bool:
        """Take a node's membership in; False for an older one than known."""
        known = self.nodes.get(node.node_id)
        if known is not None and (node.revision, node.since) < (known.revision, known.since):
            return False
        self._now = now
        self.nodes[node.node_id] = node
        if node.state is NodeState.REMOVED:
            self._pool.drop(node.node_id)
        else:
            self._changed[node.node_id] = None
        return True

    def note_load(self, load: NodeLoad, now: datetime) -> None:
        """Take a sample in; an error keeps the sample before, which grows old."""
        if load.cpu is None or load.ram is None:
            return
        self._now = now
        self._loads[load.node_id] = load
        self._changed[load.node_id] = None

    def age(self, now: datetime) -> None:
        """Let samples that have grown old count no more."""
        self._now = now
        for node, candidate in self.pool.candidates.items():
            load = self._loads.get(node)
            if load is None:
                continue
            candidate.age_s = (now - load.sampled_at).total_seconds()
            if candidate.cpu is not None and candidate.age_s > FRESH_S:
                self._changed[node] = None

    def cordon(self, cordons: Iterable[tuple[str, str]]) -> None:
        """Take no jobs on these nodes, for these reasons, and on no others."""
        before, self._cordons = self._cordons, dict(cordons)
        self._changed |= dict.fromkeys(before.keys() ^ self._cordons.keys())

    @property
    def cordons(self) -> dict[str, str]:
        return dict(self._cordons)

    def _enter(self, node: str | None, deployment: Deployment) -> None:
        if node is None:
            return
        self._here[node][deployment.key] = None
        if deployment.command is not None:
            key = (deployment.command.instance_id, deployment.command.due)
            places = self._sets.setdefault(key, {})
            places[node] = places.get(node, 0) + 1

    def _leave(self, node: str | None, deployment: Deployment) -> None:
        if node is None:
            return
        self._here[node].pop(deployment.key, None)
        if deployment.command is None:
            return
        key = (deployment.command.instance_id, deployment.command.due)
        places = self._sets.get(key, {})
        places[node] = places.get(node, 0) - 1
        if places[node] <= 0:
            del places[node]
        if not places:
            self._sets.pop(key, None)

    def _debit(self, node: str, deployment: Deployment) -> None:
        candidate = self._pool.candidates.get(node)
        if candidate is not None and deployment.command is not None:
            candidate.debit(need_of(deployment.command.spec))
            candidate.last_used = deployment.placed_at.timestamp() if deployment.placed_at else 0.0
            self._pool.touch(candidate)

    def _draw_up(self, node: str) -> None:
        """Draw a node's account up anew."""
        member = self.nodes.get(node)
        if member is None or member.state is NodeState.REMOVED:
            return
        before = self._pool.candidates.get(node)
        candidate = Candidate(
            node=node,
            cpus=member.cpus,
            memory_bytes=member.memory_bytes,
            is_active=member.state is NodeState.ACTIVE and node not in self._cordons,
            why_inactive=self._why_inactive(member),
            labels=member.labels,
            last_used=before.last_used if before else 0.0,
            held_for=next((key[0] for key, held in self.holds.items() if held == node), None),
        )
        load = self._loads.get(node)
        if load is not None:
            candidate.age_s = ((self._now or load.sampled_at) - load.sampled_at).total_seconds()
            if candidate.age_s <= FRESH_S:
                candidate.cpu, candidate.ram = round(load.cpu or 0, 4), round(load.ram or 0, 4)
        for deployment in self.on_node(node):
            self._count(candidate, deployment, load)
        self._pool.put(candidate)

    def _why_inactive(self, member: NodeChanged) -> str:
        if member.state is NodeState.ACTIVE:
            return f"cordoned: {self._cordons.get(member.node_id, '')}"
        return f"{member.state.lower()}: {member.reason or 'not active'}"

    @staticmethod
    def _count(candidate: Candidate, deployment: Deployment, load: NodeLoad | None) -> None:
        command = deployment.command
        if command is None:
            candidate.jobs += 1
            return
        need = need_of(command.spec)
        if load is not None and _shows(deployment, load):
            candidate.jobs += 1
            candidate.has_standalone = candidate.has_standalone or need.is_standalone
        else:
            candidate.debit(need)
        if deployment.placed_at is not None:
            candidate.last_used = max(candidate.last_used, deployment.placed_at.timestamp())


def _shows(deployment: Deployment, load: NodeLoad) -> bool:
    """Tell whether a node's sample has this container in it."""
    started_at = deployment.started_at
    return started_at is not None and started_at + SEEN_BY_SAMPLE_AFTER <= load.sampled_at
