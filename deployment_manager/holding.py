"""Nodes held back for standalone jobs that would wait for ever beside a steady shared load. Pure.

A standalone job needs an empty node. Where short shared jobs come all the time no node is ever
empty, though each soon could be. So a standalone job that has waited for a minute has one node held
back: nothing new goes there until the job is placed, there or elsewhere, or waits no more (ADR 14).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from common.messages import NodeState
from deployment_manager.domain.deployment import Deployment
from deployment_manager.fleet import Fleet
from load_balancer.domain.ranking import Candidate, Need, refusal, unfit

HOLD_AFTER = timedelta(seconds=60)
MOST_HELD = 0.5
"""No more than this share of the nodes is held at once (but one may be): others have jobs, too."""


def held_node(fleet: Fleet, deployment: Deployment, need: Need) -> Candidate | None:
    """Return the node held for this job, once it is empty and takes jobs."""
    node = fleet.holds.get(deployment.key)
    candidate = fleet.pool.candidates.get(node) if node is not None else None
    if candidate is None or refusal(replace(candidate, held_for=None), need) is not None:
        return None
    return candidate


def hold_back(fleet: Fleet, deployment: Deployment, need: Need, now: datetime) -> None:
    """Hold a node for a standalone job that has waited for long; drop a hold that leads nowhere."""
    command = deployment.command
    if command is None or not need.is_standalone or now < command.due + HOLD_AFTER:
        return
    held = fleet.holds.get(deployment.key)
    if held is not None:
        if _may_be_held(fleet, held, need):
            return
        fleet.release(deployment.key)
    taken = set(fleet.holds.values())
    if taken and len(taken) + 1 > MOST_HELD * len(fleet.pool.candidates):
        return
    free = [node for node in fleet.pool.candidates
            if node not in taken and _may_be_held(fleet, node, need)]  # fmt: skip
    if free:
        fleet.hold(deployment.key, min(free, key=lambda node: _emptied(fleet, node)))


def _may_be_held(fleet: Fleet, node: str, need: Need) -> bool:
    """Tell whether the job could run there if nothing else did."""
    candidate, member = fleet.pool.candidates.get(node), fleet.nodes.get(node)
    if candidate is None or member is None or member.state is not NodeState.ACTIVE:
        return False
    empty = Candidate(node, candidate.cpus, candidate.memory_bytes, labels=candidate.labels)
    is_open = candidate.is_active and not candidate.has_standalone
    return is_open and unfit(empty, need) is None


def _emptied(fleet: Fleet, node: str) -> tuple[int, datetime, int, str]:
    """Order nodes by when the last of their jobs must end; those with a job without end last."""
    jobs = fleet.on_node(node)
    stops = [d.command.stop_at for d in jobs if d.command is not None and d.command.stop_at]
    last = max(stops, default=_NO_STOP)
    return len(jobs) - len(stops), last, len(jobs), node


_NO_STOP = datetime.min.replace(tzinfo=UTC)
