"""Rows of `deployments` to domain values and back. All SQL is in queries.sql."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from common.db import Row, Transaction
from common.jobs import Reason
from common.messages import JOB_COMMANDS, DeploymentState, StartJob, decode, encode
from deployment_manager.domain.deployment import Deployment


def lock(transaction: Transaction, job_id: str, attempt: int) -> Deployment | None:
    """Return one attempt, locked until the transaction ends."""
    row = transaction.one("lock_deployment", job_id=job_id, attempt=attempt)
    return None if row is None else deployment_from(row)


def save(transaction: Transaction, deployment: Deployment) -> None:
    """Write an attempt; on its end its reservation is released in the same transaction."""
    transaction.execute(
        "put_deployment",
        job_id=deployment.job_id,
        attempt=deployment.attempt,
        state=deployment.state,
        revision=deployment.revision,
        epoch=deployment.epoch,
        node=deployment.node,
        command=encode(deployment.command).decode() if deployment.command else None,
        desired_stop=deployment.desired_stop,
        reason=deployment.reason,
        detail=deployment.detail[:500] if deployment.detail else None,
        exit_code=deployment.exit_code,
        node_load=deployment.load,
        placed_at=deployment.placed_at,
        started_at=deployment.started_at,
        ended_at=deployment.ended_at,
        why_not=json.dumps(dict(deployment.why_not)),
        explanation=json.dumps([dict(each) for each in deployment.explanation]),
        kill_failed=deployment.kill_failed,
        stops_sent=deployment.stops_sent,
        is_commanded=deployment.is_commanded,
    )
    if not deployment.is_live or deployment.node is None:
        transaction.execute(
            "release_standalone", job_id=deployment.job_id, attempt=deployment.attempt
        )


def deployment_from(row: Row) -> Deployment:
    """Read a row."""
    return Deployment(
        job_id=row["job_id"],
        attempt=row["attempt"],
        command=_command(row["command"]),
        state=DeploymentState(row["state"]),
        revision=row["revision"],
        epoch=row["epoch"],
        node=row["node"],
        desired_stop=_reason(row["desired_stop"]),
        reason=_reason(row["reason"]),
        detail=row["detail"],
        exit_code=row["exit_code"],
        load=row["node_load"],
        placed_at=row["placed_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        why_not=_json(row["why_not"], {}),
        explanation=tuple(_json(row["explanation"], [])),
        kill_failed=bool(row["kill_failed"]),
        stops_sent=row["stops_sent"],
        is_commanded=bool(row["is_commanded"]),
    )


def _command(text: str | None) -> StartJob | None:
    if not text:
        return None
    message = decode(JOB_COMMANDS, text.encode())
    if not isinstance(message, StartJob):
        raise TypeError(f"a deployment keeps a {type(message).__name__} as command")
    return message


def _reason(text: str | None) -> Reason | None:
    return Reason(text) if text else None


def _json(text: str | None, default: Any) -> Any:
    found = json.loads(text) if text else default
    return found if isinstance(found, (Mapping, list)) else default
