"""Gives pending deployments their nodes, all of a round together. Pure but for the fleet it debits.

The choice is the balancer's arithmetic; here are order, reasons and the explanation kept with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from common.labels import LabelRule
from deployment_manager.domain.deployment import (
    D,
    Deployment,
    Placing,
    Told,
    expire,
    place,
    wait_for_node,
)
from deployment_manager.fleet import Fleet, need_of
from deployment_manager.holding import held_node, hold_back
from deployment_manager.preparing import prepared_node
from deployment_manager.round import Round
from load_balancer.domain.pool import Pool
from load_balancer.domain.ranking import Candidate, Need, load_of, refusal

TOLD_NODE_BY_NODE = 20
"""In a larger fleet a decision is told with the best few nodes, and refusals are counted."""
Shape = tuple[bool, frozenset[tuple[str, LabelRule]], float, int]


def place_all(work: Round, pending: Iterable[Deployment], now: datetime) -> None:
    """Place what fits, in order of priority, due time and id; note why of what does not."""
    full: dict[Shape, Mapping[str, str]] = {}
    for deployment in sorted(pending, key=_order):
        after = expire(deployment, now) or _placed(work.fleet, deployment, full, now)
        if after is not None:
            work.put(after)


def pending_of(fleet: Fleet) -> list[Deployment]:
    """Return what waits for a node."""
    return [deployment for deployment in fleet.live.values() if deployment.state is D.PENDING]


def why_not(pool: Pool, need: Need) -> Mapping[str, str]:
    """Tell why no node fits, by node; counted where there are many."""
    if not pool.candidates:
        return {"*": "no node is known yet"}
    refusals = dict(pool.refusals(need))
    if len(pool.candidates) <= TOLD_NODE_BY_NODE:
        return refusals
    counts = Counter(reason.partition(":")[0] for reason in refusals.values())
    return {f"{count} nodes": reason for reason, count in counts.most_common()}


def explain(
    pool: Pool, chosen: Candidate, load: float | None, need: Need
) -> tuple[Told, ...]:
    """Tell the candidates as they stood, and the verdict on each (`rota job explain`).

    `load` is the chosen one's. Of a large fleet few are told, and nothing is computed again: this
    is done for every placement.
    """
    if len(pool.candidates) <= TOLD_NODE_BY_NODE:
        others = [one for one in pool.candidates.values() if one is not chosen]
        return (
            _told(chosen, "chosen", load),
            *(_told(one, refusal(one, need) or "more loaded", _load_of(one)) for one in others),
        )
    best = [(one, load) for one, load in pool.runners_up(need) if one is not chosen]
    rest = len(pool.candidates) - 1 - len(best)
    return (
        _told(chosen, "chosen", load),
        *(_told(one, "more loaded", load) for one, load in best),
        Told("*", f"{rest} others, more loaded or not eligible"),
    )


def _placed(
    fleet: Fleet, deployment: Deployment, full: dict[Shape, Mapping[str, str]], now: datetime
) -> Deployment | None:
    command = deployment.command
    if command is None:
        return None
    need = need_of(command.spec)
    chosen = held_node(fleet, deployment, need) if fleet.holds else None
    if chosen is None and fleet.prepared:
        chosen = prepared_node(fleet, deployment, need)
    if chosen is None:
        known = full.get(_shape(need)) if full else None
        chosen = fleet.pool.pick(need, fleet.wish_of(deployment)) if known is None else None
    if chosen is None:
        if known is None:
            full[_shape(need)] = known = why_not(fleet.pool, need)
        hold_back(fleet, deployment, need, now)
        return wait_for_node(deployment, known)
    load = _load_of(chosen)
    told = explain(fleet.pool, chosen, load, need)
    return place(deployment, Placing(chosen.node, load, told), now)


def _shape(need: Need) -> Shape:
    return need.is_standalone, frozenset(need.labels.items()), need.cpus, need.memory_bytes


def _order(deployment: Deployment) -> tuple[int, datetime, str]:
    command = deployment.command
    if command is None:
        raise TypeError(f"{deployment.job_id} waits for a node and has no command")
    return -command.spec.priority, command.due, deployment.job_id


def _load_of(candidate: Candidate) -> float | None:
    return load_of(candidate) if candidate.cpu is not None else None


def _told(candidate: Candidate, verdict: str, load: float | None) -> Told:
    if load is not None:
        load = round(load, 4) if candidate.cpu is not None else None
    return Told(
        candidate.node, verdict, candidate.cpu, candidate.ram, load, candidate.age_s,
        candidate.jobs,
    )  # fmt: skip
