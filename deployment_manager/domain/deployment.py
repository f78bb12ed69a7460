"""The life of a deployment: one attempt at a job on one node. Pure.

Each rule takes a deployment and news and returns the deployment as it is then, its revision one
higher, or None where the news changes nothing. Terminal deployments never change; a wish to stop
wins over everything that comes later (schedule.md, 4). What nodes tell is in `news`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from common.jobs import Reason
from common.messages import DeploymentState, StartJob

D = DeploymentState
LIVE = frozenset({D.PENDING, D.STARTING, D.RUNNING, D.STOPPING, D.UNKNOWN})
PLACED = frozenset({D.STARTING, D.RUNNING, D.STOPPING, D.UNKNOWN})
Key = tuple[str, int]
"""Job and attempt."""
FIRST_EPOCH = 1
"""What an attempt is placed under first: each placing raises its epoch, from 0."""


class Told(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One candidate as it stood when a node was chosen, and the verdict on it in words."""

    node: str
    verdict: str
    cpu: float | None = None
    ram: float | None = None
    load: float | None = None
    sample_age_s: float | None = None
    jobs: int | None = None


class Deployment(msgspec.Struct, frozen=True, gc=False):
    """One attempt. `command` None: a kill came before its start, and no start will be obeyed.

    `is_moving`: its container is being revoked where it is, and it goes elsewhere once that is
    confirmed. `avoid` is the node it was lost on or moved from; any other is better.
    """

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
    why_not: Mapping[str, str] = {}
    explanation: tuple[Told, ...] = ()
    kill_failed: bool = False
    stops_sent: int = 0
    is_commanded: bool = False
    is_moving: bool = False
    avoid: str | None = None

    @property
    def is_live(self) -> bool:
        return self.state in LIVE

    @property
    def key(self) -> Key:
        return self.job_id, self.attempt

    @property
    def is_stop_wanted(self) -> bool:
        """Whether its node is to be told to stop it."""
        return self.state in PLACED and (self.desired_stop is not None or self.is_moving)

    @property
    def last_start(self) -> datetime | None:
        """The moment after which its client refuses to start it."""
        command = self.command
        if command is None:
            return None
        return min(command.start_by, command.stop_at or command.start_by)

    def changed(self, **news: Any) -> Deployment:
        """Return the next revision with these fields."""
        return msgspec.structs.replace(self, revision=self.revision + 1, **news)


def expire(deployment: Deployment, now: datetime) -> Deployment | None:
    """End a deployment that may no longer start."""
    command = deployment.command
    if deployment.state is not D.PENDING or command is None:
        return None
    if command.stop_at is not None and command.stop_at <= now:
        return missed(deployment, Reason.WINDOW_CLOSED, now)
    if command.start_by <= now:
        return missed(deployment, Reason.START_DEADLINE, now)
    return None


def wait_for_node(deployment: Deployment, why_not: Mapping[str, str]) -> Deployment | None:
    """Note why no node fits; told again only when the reasons change."""
    if deployment.reason is Reason.NO_NODE and dict(deployment.why_not) == dict(why_not):
        return None
    return deployment.changed(reason=Reason.NO_NODE, why_not=dict(why_not))


class Placing(msgspec.Struct, frozen=True):
    """Where an attempt goes, and how that was decided."""

    node: str
    load: float | None
    explanation: tuple[Told, ...]


def place(deployment: Deployment, placing: Placing, now: datetime) -> Deployment:
    """Give a pending deployment its node, under a new epoch."""
    return deployment.changed(
        state=D.STARTING, node=placing.node, epoch=deployment.epoch + 1, load=placing.load,
        explanation=placing.explanation, placed_at=now, reason=None, why_not={},
        is_commanded=False,
    )  # fmt: skip


def kill(deployment: Deployment, reason: Reason, now: datetime) -> Deployment | None:
    """Wish the end of a deployment: at once where it has no node, else by its node."""
    if not deployment.is_live or deployment.desired_stop is not None:
        return None
    if deployment.state is D.PENDING:
        return stopped(msgspec.structs.replace(deployment, desired_stop=reason), now)
    return deployment.changed(state=D.STOPPING, desired_stop=reason, is_moving=False, stops_sent=0)


def tombstone(job_id: str, attempt: int, reason: Reason, now: datetime) -> Deployment:
    """Remember a kill that came before its start: that start is refused."""
    grave = Deployment(job_id, attempt, None, revision=0, desired_stop=reason)
    return stopped(grave, now)


def move(deployment: Deployment, detail: str) -> Deployment | None:
    """Take a deployment off its node; it is placed again when its client has confirmed."""
    if deployment.state not in PLACED or deployment.desired_stop or deployment.is_moving:
        return None
    return deployment.changed(is_moving=True, detail=detail, stops_sent=0)


def fail_kill(deployment: Deployment) -> Deployment | None:
    """Several stops were not confirmed: say so, and go on trying."""
    if deployment.kill_failed or not deployment.is_stop_wanted:
        return None
    return deployment.changed(kill_failed=True, detail="the stop is not confirmed")


def stopped(deployment: Deployment, at: datetime) -> Deployment:
    """End what was wished to stop: by a person or a replacement, or at its stop time."""
    wish = deployment.desired_stop or Reason.USER
    if wish in {Reason.USER, Reason.REPLACED}:
        return ended(deployment, D.CANCELLED, wish, at)
    if deployment.started_at is None:
        return missed(deployment, Reason.WINDOW_CLOSED, at)
    return ended(deployment, D.ENDED, wish, at)


def missed(deployment: Deployment, reason: Reason, at: datetime) -> Deployment:
    """End what never started and may not any more."""
    return ended(deployment, D.MISSED, reason, at)


def ended(
    deployment: Deployment, state: DeploymentState, reason: Reason | None, at: datetime
) -> Deployment:
    """End a deployment; it never changes again."""
    return deployment.changed(
        state=state, reason=reason, ended_at=at, why_not={}, is_moving=False
    )
