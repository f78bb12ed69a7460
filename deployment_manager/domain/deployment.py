"""The life of a deployment: one attempt at a job on one node. Pure.

Each rule takes a deployment and news and returns the deployment as it is then, its revision one
higher, or None where the news changes nothing. Terminal deployments never change; a wish to stop
wins over everything that comes later (schedule.md, 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from common.jobs import Reason
from common.messages import ContainerChanged, ContainerState, DeploymentState, StartJob, StopCause

D = DeploymentState
LIVE = frozenset({D.PENDING, D.STARTING, D.RUNNING, D.STOPPING, D.UNKNOWN})
PLACED = frozenset({D.STARTING, D.RUNNING, D.STOPPING, D.UNKNOWN})


@dataclass(frozen=True)
class Deployment:
    """One attempt. `command` None: a kill came before its start, and no start will be obeyed."""

    job_id: str
    attempt: int
    command: StartJob | None
    state: DeploymentState = D.PENDING
    revision: int = 1
    epoch: int = 0
    node: str | None = None
    desired_stop: Reason | None = None
    reason: Reason | None = None
    detail: str | None = None
    exit_code: int | None = None
    load: float | None = None
    placed_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    why_not: Mapping[str, str] = field(default_factory=dict)
    explanation: tuple[Mapping[str, Any], ...] = ()
    kill_failed: bool = False
    stops_sent: int = 0
    is_commanded: bool = False

    @property
    def is_live(self) -> bool:
        return self.state in LIVE

    @property
    def key(self) -> tuple[str, int]:
        return self.job_id, self.attempt

    def changed(self, **news: Any) -> Deployment:
        """Return the next revision with these fields."""
        return replace(self, revision=self.revision + 1, **news)


def expire(deployment: Deployment, now: datetime) -> Deployment | None:
    """End a deployment that may no longer start."""
    command = deployment.command
    if deployment.state is not D.PENDING or command is None:
        return None
    if command.stop_at is not None and command.stop_at <= now:
        return _missed(deployment, Reason.WINDOW_CLOSED, now)
    if command.start_by <= now:
        return _missed(deployment, Reason.START_DEADLINE, now)
    return None


def wait_for_node(deployment: Deployment, why_not: Mapping[str, str]) -> Deployment | None:
    """Note why no node fits; told again only when the reasons change."""
    if deployment.reason is Reason.NO_NODE and dict(deployment.why_not) == dict(why_not):
        return None
    return deployment.changed(reason=Reason.NO_NODE, why_not=dict(why_not))


@dataclass(frozen=True)
class Placing:
    """Where an attempt goes, and how that was decided."""

    node: str
    load: float | None
    explanation: tuple[Mapping[str, Any], ...]


def place(deployment: Deployment, placing: Placing, now: datetime) -> Deployment:
    """Give a pending deployment its node, under a new epoch."""
    return deployment.changed(
        state=D.STARTING, node=placing.node, epoch=deployment.epoch + 1, load=placing.load,
        explanation=placing.explanation, placed_at=now, reason=None, why_not={},
        is_commanded=False,
    )  # fmt: skip


def kill(deployment: Deployment, reason: Reason, now: datetime) -> Deployment | None:
    """Wish the end of a deployment: at once where nothing was commanded, else by its node."""
    if not deployment.is_live or deployment.desired_stop is not None:
        return None
    if deployment.state is D.PENDING:
        return _stopped(replace(deployment, desired_stop=reason), now)
    return deployment.changed(state=D.STOPPING, desired_stop=reason)


def tombstone(job_id: str, attempt: int, reason: Reason, now: datetime) -> Deployment:
    """Remember a kill that came before its start: that start is refused."""
    grave = Deployment(job_id, attempt, None, revision=0, desired_stop=reason)
    return _stopped(grave, now)


def apply_container(
    deployment: Deployment, news: ContainerChanged, now: datetime
) -> Deployment | None:
    """Apply what a node says of the attempt's container; None for what changes nothing."""
    if not deployment.is_live or news.epoch != deployment.epoch:
        return None
    if news.node_id != deployment.node:
        return None
    if news.state is ContainerState.RUNNING:
        return _runs(deployment, news)
    ended = replace(
        deployment,
        exit_code=news.exit_code,
        started_at=news.started_at or deployment.started_at,
        detail=news.detail or deployment.detail,
    )
    at = news.ended_at or now
    if news.state is ContainerState.EXITED:
        return _exited(ended, news, at)
    if news.state is ContainerState.GONE:
        return _vanished(ended, at)
    return _refused(ended, news, at)


def lose_node(deployment: Deployment, now: datetime) -> Deployment | None:
    """The node is silent and SSH agrees: nothing is known of what ran there."""
    if deployment.state not in PLACED or deployment.state is D.UNKNOWN:
        return None
    policy = deployment.command.on_node_lost if deployment.command else "wait"
    if policy == "fail":
        return _ended(deployment, D.LOST, Reason.NODE_LOST, now)
    return deployment.changed(state=D.UNKNOWN, reason=Reason.NODE_LOST)


def find_missing(deployment: Deployment, now: datetime) -> Deployment | None:
    """The node is there and the container is not: it is proved gone."""
    if deployment.state not in PLACED:
        return None
    if deployment.desired_stop is not None:
        return _stopped(deployment, now)
    if deployment.command and deployment.command.on_node_lost == "reschedule":
        return deployment.changed(
            state=D.PENDING, node=None, reason=Reason.NODE_LOST, started_at=None
        )
    return _ended(deployment, D.LOST, Reason.NODE_LOST, now)


def fail_kill(deployment: Deployment) -> Deployment | None:
    """Several stops were not confirmed: say so, and go on trying."""
    if deployment.kill_failed or deployment.state is not D.STOPPING:
        return None
    return deployment.changed(kill_failed=True, detail="the stop is not confirmed")


def _runs(deployment: Deployment, news: ContainerChanged) -> Deployment | None:
    if deployment.desired_stop is not None:
        if deployment.started_at is not None:
            return None
        return deployment.changed(started_at=news.started_at)
    if deployment.state is D.RUNNING:
        return None
    return deployment.changed(state=D.RUNNING, started_at=news.started_at, reason=None)


def _exited(deployment: Deployment, news: ContainerChanged, at: datetime) -> Deployment:
    match news.stop_cause:
        case StopCause.DEADLINE:
            command = deployment.command
            reason = command.stop_reason if command and command.stop_reason else Reason.END_TIME
            return _ended(deployment, D.ENDED, reason, at)
        case StopCause.TIMEOUT:
            return _ended(deployment, D.TIMED_OUT, Reason.TIMEOUT, at)
        case StopCause.COMMAND:
            return _stopped(deployment, at)
    if news.oom_killed:
        return _ended(deployment, D.FAILED, Reason.OOM, at)
    if news.exit_code == 0:
        return _ended(deployment, D.SUCCEEDED, None, at)
    return _ended(deployment, D.FAILED, Reason.EXIT_CODE, at)


def _refused(deployment: Deployment, news: ContainerChanged, at: datetime) -> Deployment:
    match news.stop_cause:
        case StopCause.PULL_FAILED:
            return _ended(deployment, D.FAILED, Reason.PULL_FAILED, at)
        case StopCause.CREATE_FAILED:
            return _ended(deployment, D.FAILED, Reason.EXIT_CODE, at)
        case StopCause.EXPIRED | StopCause.DEADLINE:
            stop_at = deployment.command.stop_at if deployment.command else None
            is_closed = stop_at is not None and stop_at <= at
            reason = Reason.WINDOW_CLOSED if is_closed else Reason.START_DEADLINE
            return _missed(deployment, reason, at)
    return _stopped(deployment, at)


def _vanished(deployment: Deployment, at: datetime) -> Deployment:
    if deployment.desired_stop is None and deployment.started_at is not None:
        return _ended(deployment, D.LOST, Reason.NODE_LOST, at)
    return _stopped(deployment, at)


def _stopped(deployment: Deployment, at: datetime) -> Deployment:
    """End what was wished to stop: by a person or a replacement, or at its stop time."""
    wish = deployment.desired_stop or Reason.USER
    if wish in {Reason.USER, Reason.REPLACED}:
        return _ended(deployment, D.CANCELLED, wish, at)
    if deployment.started_at is None:
        return _missed(deployment, Reason.WINDOW_CLOSED, at)
    return _ended(deployment, D.ENDED, wish, at)


def _missed(deployment: Deployment, reason: Reason, at: datetime) -> Deployment:
    return _ended(deployment, D.MISSED, reason, at)


def _ended(
    deployment: Deployment, state: DeploymentState, reason: Reason | None, at: datetime
) -> Deployment:
    return deployment.changed(state=state, reason=reason, ended_at=at, why_not={})
