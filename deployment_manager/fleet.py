"""What the deployment manager knows of the nodes: membership, loads, and who is where.

Soft, but for the deployments, which are a cache of the database. Guarded by the deployer's lock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from common.messages import NodeChanged, NodeLoad, NodeState, RunSpec
from deployment_manager.domain.deployment import PLACED, Deployment
from load_balancer.domain.ranking import (
    DEFAULT_CPUS,
    DEFAULT_MEMORY_BYTES,
    Candidate,
    Need,
)

SEEN_BY_SAMPLE_AFTER = timedelta(seconds=4)
"""A container takes this long to show in the samples; until then its request is debited."""


def need_of(spec: RunSpec) -> Need:
    """Return what a job asks of its node."""
    return Need(
        is_standalone=spec.machine == "standalone",
        labels=spec.node_labels,
        cpus=spec.cpus or DEFAULT_CPUS,
        memory_bytes=spec.memory_bytes or DEFAULT_MEMORY_BYTES,
    )


@dataclass
class Fleet:
    """Nodes, loads and live deployments."""

    nodes: dict[str, NodeChanged] = field(default_factory=dict)
    loads: dict[str, NodeLoad] = field(default_factory=dict)
    live: dict[tuple[str, int], Deployment] = field(default_factory=dict)

    def note(self, deployment: Deployment) -> None:
        """Keep a deployment while it is live."""
        if deployment.is_live:
            self.live[deployment.key] = deployment
        else:
            self.live.pop(deployment.key, None)

    def on_node(self, node: str) -> list[Deployment]:
        """Return what is on a node, as far as we know."""
        return [d for d in self.live.values() if d.node == node and d.state in PLACED]

    def candidates(self, wanted: Deployment, now: datetime) -> list[Candidate]:
        """Return every node as a candidate for one job."""
        return [self._candidate(node, wanted, now) for node in self.nodes.values()]

    def _candidate(self, node: NodeChanged, wanted: Deployment, now: datetime) -> Candidate:
        load = self.loads.get(node.node_id)
        here = self.on_node(node.node_id)
        sampled_at = load.sampled_at if load else None
        debits = [
            need_of(d.command.spec)
            for d in here
            if d.command
            and d.placed_at
            and (sampled_at is None or d.placed_at + SEEN_BY_SAMPLE_AFTER > sampled_at)
        ]
        used = max((d.placed_at.timestamp() for d in here if d.placed_at), default=0.0)
        return Candidate(
            node=node.node_id,
            is_active=node.state is NodeState.ACTIVE,
            why_inactive=f"{node.state.lower()}: {node.reason or 'not active'}",
            cpus=node.cpus,
            memory_bytes=node.memory_bytes,
            labels=node.labels,
            cpu=load.cpu if load else None,
            ram=load.ram if load else None,
            age_s=(now - sampled_at).total_seconds() if sampled_at else None,
            debit_cpu=sum(d.cpus for d in debits) / max(node.cpus, 0.01),
            debit_ram=sum(d.memory_bytes for d in debits) / max(node.memory_bytes, 1),
            jobs=len(here),
            siblings=sum(1 for d in here if _are_siblings(d, wanted)),
            has_standalone=any(d.command and need_of(d.command.spec).is_standalone for d in here),
            last_used=used,
        )


def _are_siblings(one: Deployment, other: Deployment) -> bool:
    a, b = one.command, other.command
    return a is not None and b is not None and (a.instance_id, a.due) == (b.instance_id, b.due)
