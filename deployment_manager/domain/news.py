"""What a node's news mean to a deployment: container snapshots, silence, return. Pure.

A job leaves its node only when its client has answered that the container is gone and will never
start (guarantees.md, G4), or when an operator has removed the node.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from common.jobs import Reason
from common.messages import ContainerChanged, ContainerState, DeploymentState, StopCause
from deployment_manager.domain.deployment import (
    PLACED,
    Deployment,
    ended,
    missed,
    move,
    stopped,
)

D = DeploymentState


def apply_container(
    deployment: Deployment, news: ContainerChanged, now: datetime
) -> Deployment | None:
    """Apply what a node says of the attempt's container; None for what changes nothing."""
    is_about_it = (news.node_id, news.epoch) == (deployment.node, deployment.epoch)
    if deployment.state not in PLACED or not is_about_it or news.stop_cause is StopCause.STALE:
        return None
    if news.state is ContainerState.RUNNING:
        return _runs(deployment, news)
    told = msgspec.structs.replace(
        deployment,
        exit_code=news.exit_code,
        started_at=news.started_at or deployment.started_at,
        detail=news.detail or deployment.detail,
    )
    at = news.ended_at or now
    if deployment.is_moving and news.stop_cause is StopCause.COMMAND:
        return _let_go(told, None, at)
    match news.state:
        case ContainerState.EXITED:
            return _exited(told, news, at)
        case ContainerState.GONE:
            return _vanished(told, at)
        case _:
            return _refused(told, news, at)


def lose_node(deployment: Deployment, now: datetime) -> Deployment | None:
    """The node is silent and SSH agrees: nothing is known of what ran there."""
    if deployment.state not in PLACED or deployment.reason is Reason.NODE_LOST:
        return None
    policy = deployment.command.on_node_lost if deployment.command else "wait"
    if policy == "fail" and deployment.desired_stop is None:
        return ended(deployment, D.LOST, Reason.NODE_LOST, now)
    if deployment.desired_stop is not None:  # the wish to stop stays what is shown
        return None
    return deployment.changed(state=D.UNKNOWN, reason=Reason.NODE_LOST)


def find_again(deployment: Deployment) -> Deployment | None:
    """The node is back, and so is the container under its epoch."""
    if deployment.state is not D.UNKNOWN:
        return None
    state = D.RUNNING if deployment.started_at else D.STARTING
    return deployment.changed(state=state, reason=None)


def find_missing(deployment: Deployment, now: datetime) -> Deployment | None:
    """The node is there, and its client has said for a while that the container is not.

    A start that never was confirmed is no proof: its image may be on its way, or its command; the
    start is commanded again until it may no longer happen. One to be rescheduled is revoked first.
    """
    if deployment.state not in PLACED or deployment.is_moving:
        return None
    if deployment.desired_stop is not None:
        return stopped(deployment, now)
    if deployment.state is D.UNKNOWN and _is_rescheduled(deployment):
        return move(deployment, "lost its node; moves when the node confirms that it is gone")
    if deployment.started_at is not None:
        return ended(deployment, D.LOST, Reason.NODE_LOST, now)
    last_start = deployment.last_start
    if last_start is not None and last_start <= now:
        return missed(deployment, Reason.START_DEADLINE, now)
    return find_again(deployment)


def give_up_node(deployment: Deployment, now: datetime) -> Deployment | None:
    """The node was removed by an operator, whose word is that nothing runs there any more."""
    if deployment.state not in PLACED:
        return None
    if deployment.desired_stop is not None:
        return stopped(deployment, now)
    if deployment.is_moving or _is_rescheduled(deployment):
        return _let_go(deployment, Reason.NODE_LOST, now)
    return ended(deployment, D.LOST, Reason.NODE_LOST, now)


def _is_rescheduled(deployment: Deployment) -> bool:
    return deployment.command is not None and deployment.command.on_node_lost == "reschedule"


def _runs(deployment: Deployment, news: ContainerChanged) -> Deployment | None:
    is_known = deployment.started_at is not None
    if deployment.desired_stop is not None:
        return None if is_known else deployment.changed(started_at=news.started_at)
    if deployment.state is D.RUNNING:
        return None
    return deployment.changed(
        state=D.RUNNING, started_at=news.started_at or deployment.started_at, reason=None
    )


def _let_go(deployment: Deployment, reason: Reason | None, at: datetime) -> Deployment:
    """Look for another node, where nothing ran yet; else its scheduler makes another attempt.

    An attempt is one container (guarantees.md, P2).
    """
    if deployment.started_at is not None:
        return ended(deployment, D.LOST, Reason.NODE_LOST, at)
    return deployment.changed(
        state=D.PENDING, node=None, avoid=deployment.node, reason=reason, started_at=None,
        placed_at=None, exit_code=None, is_moving=False, is_commanded=False, kill_failed=False,
        stops_sent=0,
    )  # fmt: skip


def _exited(deployment: Deployment, news: ContainerChanged, at: datetime) -> Deployment:
    match news.stop_cause:
        case StopCause.DEADLINE:
            command = deployment.command
            reason = command.stop_reason if command and command.stop_reason else Reason.END_TIME
            return ended(deployment, D.ENDED, reason, at)
        case StopCause.TIMEOUT:
            return ended(deployment, D.TIMED_OUT, Reason.TIMEOUT, at)
        case StopCause.COMMAND:
            return stopped(deployment, at)
    if news.oom_killed:
        return ended(deployment, D.FAILED, Reason.OOM, at)
    if news.exit_code == 0:
        return ended(deployment, D.SUCCEEDED, None, at)
    return ended(deployment, D.FAILED, Reason.EXIT_CODE, at)


def _refused(deployment: Deployment, news: ContainerChanged, at: datetime) -> Deployment:
    if deployment.desired_stop is not None:
        return stopped(deployment, at)
    match news.stop_cause:
        case StopCause.PULL_FAILED:
            return ended(deployment, D.FAILED, Reason.PULL_FAILED, at)
        case StopCause.CREATE_FAILED:
            return ended(deployment, D.FAILED, Reason.EXIT_CODE, at)
        case StopCause.EXPIRED | StopCause.DEADLINE:
            stop_at = deployment.command.stop_at if deployment.command else None
            is_closed = stop_at is not None and stop_at <= at
            reason = Reason.WINDOW_CLOSED if is_closed else Reason.START_DEADLINE
            return missed(deployment, reason, at)
    return stopped(deployment, at)


def _vanished(deployment: Deployment, at: datetime) -> Deployment:
    if deployment.desired_stop is None and deployment.started_at is not None:
        return ended(deployment, D.LOST, Reason.NODE_LOST, at)
    return stopped(deployment, at)
