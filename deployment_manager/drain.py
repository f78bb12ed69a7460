"""What becomes of the jobs on a node that is lost, removed or drained. Pure.

Drained: `wait` lets them end by themselves; `move` takes those that may run elsewhere
(`on_node_lost: reschedule`) there, once their client has confirmed, and only while another node
would have them; `force` stops them all.
"""

from __future__ import annotations

from datetime import datetime

from common.jobs import Reason
from common.messages import NodeChanged, NodeState
from deployment_manager.domain.deployment import Deployment, kill, move
from deployment_manager.domain.news import give_up_node, lose_node
from deployment_manager.fleet import Fleet, need_of
from deployment_manager.round import Rule


def letting_go(
    fleet: Fleet, node: NodeChanged, deployment: Deployment, now: datetime
) -> Rule | None:
    """Return the rule for one deployment on such a node; None where nothing changes."""
    match node.state:
        case NodeState.LOST:
            return _if_it_changes(lambda d: lose_node(d, now), deployment)
        case NodeState.REMOVED:
            return lambda d: give_up_node(d, now)
        case _ if node.drain == "force":
            return _if_it_changes(lambda d: kill(d, Reason.USER, now), deployment)
        case _ if node.drain == "move" and _may_move(fleet, deployment):
            return _if_it_changes(lambda d: move(d, "its node is drained"), deployment)
    return None


def _if_it_changes(rule: Rule, deployment: Deployment) -> Rule | None:
    return rule if rule(deployment) is not None else None


def _may_move(fleet: Fleet, deployment: Deployment) -> bool:
    command = deployment.command
    if command is None or command.on_node_lost != "reschedule":
        return False
    return fleet.pool.pick(need_of(command.spec), fleet.wish_of(deployment)) is not None
