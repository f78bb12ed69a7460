"""What the deployment manager writes to Kafka, made from a deployment. Pure."""

from __future__ import annotations

from datetime import datetime

from common.jobs import Reason
from common.messages import (
    DeploymentChanged,
    PrepareContainer,
    PrepareJob,
    StartContainer,
    StartJob,
    StopContainer,
    encode,
)
from deployment_manager.domain.deployment import FIRST_EPOCH, Deployment


def snapshot(deployment: Deployment, now: datetime) -> DeploymentChanged:
    """Tell everything there is to know of an attempt."""
    return DeploymentChanged(
        id=f"{deployment.job_id}/{deployment.attempt}/{deployment.revision}",
        time=now,
        job_id=deployment.job_id,
        attempt=deployment.attempt,
        revision=deployment.revision,
        state=deployment.state,
        node=deployment.node,
        epoch=deployment.epoch,
        load=deployment.load,
        reason=deployment.reason,
        detail=deployment.detail,
        exit_code=deployment.exit_code,
        placed_at=deployment.placed_at,
        started_at=deployment.started_at,
        ended_at=deployment.ended_at,
        why_not=dict(deployment.why_not),
        kill_failed=deployment.kill_failed,
    )


def start_container(deployment: Deployment, command: StartJob) -> bytes:
    """Write the command that starts the attempt's container on its node."""
    return encode(_start(deployment, command))


def _start(deployment: Deployment, command: StartJob) -> StartContainer:
    return StartContainer(
        id=f"{deployment.job_id}/{deployment.attempt}/{deployment.epoch}/start",
        cause=command.id,
        node_id=deployment.node or "",
        job_id=deployment.job_id,
        attempt=deployment.attempt,
        epoch=deployment.epoch,
        instance_id=command.instance_id,
        due=command.due,
        ordinal=command.ordinal,
        not_before=command.due,
        expires_at=command.start_by,
        stop_at=command.stop_at,
        spec=command.spec,
    )


def prepare_container(message: PrepareJob, node: str, keep_until: datetime) -> bytes:
    """Write what lets a node get ready: the start as it would be, under the first epoch."""
    start = message.start
    expected = Deployment(start.job_id, start.attempt, start, node=node, epoch=FIRST_EPOCH)
    return encode(PrepareContainer(
        id=f"{start.job_id}/{start.attempt}/prepare", cause=message.id, node_id=node,
        job_id=start.job_id, start=_start(expected, start), creates=message.creates,
        keep_until=keep_until,
    ))  # fmt: skip


def stop_container(deployment: Deployment) -> bytes:
    """Write the command that stops it."""
    grace_s = deployment.command.spec.grace_s if deployment.command else 10
    if deployment.kill_failed:
        grace_s = 0  # its signals were not heeded: SIGKILL
    message = StopContainer(
        id=f"{deployment.job_id}/{deployment.attempt}/{deployment.epoch}/stop",
        cause=deployment.command.id if deployment.command else None,
        node_id=deployment.node or "",
        job_id=deployment.job_id,
        attempt=deployment.attempt,
        epoch=deployment.epoch,
        grace_s=grace_s,
        reason=deployment.desired_stop or Reason.USER,
    )
    return encode(message)


def stop_stranger(node: str, job_id: str, attempt: int, epoch: int) -> bytes:
    """Write the command that stops a container which belongs to no live deployment there."""
    message = StopContainer(
        node_id=node, job_id=job_id, attempt=attempt, epoch=epoch, reason=Reason.NODE_LOST
    )
    return encode(message)
