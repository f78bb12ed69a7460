"""Rows of `deployments` to domain values and back. All SQL is in queries.sql."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from common.db import DuplicateKeyError, Row, Transaction
from common.errors import Retryable
from common.jobs import Reason
from common.messages import JOB_COMMANDS, DeploymentState, StartJob, decode, encode
from deployment_manager.domain.deployment import PLACED, Deployment, Key, Told
from deployment_manager.round import Round


class IntruderError(Retryable):
    """A node would have had a standalone job and another one; nothing was written (G8)."""


class StaleCacheError(Retryable):
    """The database has a row that we did not know of; nothing was written."""


def attempts_of(transaction: Transaction, jobs: Collection[str]) -> dict[Key, Deployment]:
    """Return all attempts at these jobs that there are rows of."""
    if not jobs:
        return {}
    rows = transaction.all("attempts_of", jobs=list(jobs))
    return {found.key: found for found in map(deployment_from, rows)}


def save(transaction: Transaction, work: Round, now: datetime) -> None:
    """Write a round; ends release their reservations, standalone placements take theirs (G8)."""
    new, changed = work.new.values(), work.changed.values()
    is_started = DeploymentState.STARTING
    placed = [one for one in new if one.state is is_started]
    _insert(transaction, "insert_placed", [_placed_row(one, now) for one in placed])
    others = [one for one in new if one.state is not is_started]
    _insert(transaction, "insert_others", [_other_row(one, now) for one in others])
    transaction.execute_many("update_deployments", [_changed_row(one, now) for one in changed])
    freed = [one for one in changed if one.state not in PLACED and is_standalone(one)]
    for attempt, ended in _by(freed, lambda one: one.attempt).items():
        jobs = [one.job_id for one in ended]
        transaction.execute("release_standalone", jobs=jobs, attempt=attempt)
    placed = [one for one in work.outcome if one.state is is_started]
    _reserve(transaction, [one for one in placed if not one.is_commanded])
    for node, reason in work.cordoned.items():
        transaction.execute("cordon", node=node, reason=reason[:500], now=now)
    for node in work.uncordoned:
        transaction.execute("uncordon", node=node)


def mark_told(transaction: Transaction, told: Mapping[Key, int]) -> None:
    """Note the snapshots that job.events has: attempt to revision."""
    for (attempt, revision), keys in _by(told, lambda key: (key[1], told[key])).items():
        jobs = [job_id for job_id, _ in keys]
        transaction.execute("mark_told", jobs=jobs, attempt=attempt, revision=revision)


def mark_commanded(transaction: Transaction, commanded: Mapping[Key, int]) -> None:
    """Note the start commands that the nodes have: attempt to epoch."""
    for (attempt, epoch), keys in _by(commanded, lambda key: (key[1], commanded[key])).items():
        jobs = [job_id for job_id, _ in keys]
        transaction.execute("mark_commanded", jobs=jobs, attempt=attempt, epoch=epoch)


def is_standalone(deployment: Deployment) -> bool:
    command = deployment.command
    return command is not None and command.spec.machine == "standalone"


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
        why_not=json.loads(row["why_not"] or "{}"),
        explanation=_explanation(row["explanation"]),
        kill_failed=bool(row["kill_failed"]),
        stops_sent=row["stops_sent"],
        is_commanded=bool(row["is_commanded"]),
        is_moving=bool(row["is_moving"]),
        avoid=row["avoid"],
    )


def _reserve(transaction: Transaction, placed: list[Deployment]) -> None:
    taken: list[Mapping[str, Any]] = [
        {"node": one.node, "job_id": one.job_id, "attempt": one.attempt}
        for one in placed
        if is_standalone(one)
    ]
    _insert(transaction, "reserve_standalone", taken)
    nodes = {one.node for one in placed}
    if nodes and transaction.all("intruders", nodes=nodes):
        raise IntruderError


def _insert(transaction: Transaction, query: str, rows: list[Mapping[str, Any]]) -> None:
    try:
        transaction.execute_many(query, rows)
    except DuplicateKeyError as error:
        raise StaleCacheError(f"{query}: {error}") from error


def _placed_row(deployment: Deployment, now: datetime) -> Mapping[str, Any]:
    d = deployment
    return {
        "job_id": d.job_id, "attempt": d.attempt, "state": "STARTING", "revision": d.revision,
        "epoch": d.epoch, "node": d.node,
        "command": encode(d.command).decode() if d.command else None, "node_load": d.load,
        "placed_at": d.placed_at, "explanation": _text(d.explanation), "avoid": d.avoid, "now": now,
    }  # fmt: skip


def _other_row(deployment: Deployment, now: datetime) -> Mapping[str, Any]:
    """A new one that is killed in the round that placed it never had a node: nobody was told."""
    d = deployment
    return {
        "job_id": d.job_id, "attempt": d.attempt, "state": d.state.value, "revision": d.revision,
        "command": encode(d.command).decode() if d.command else None,
        "desired_stop": d.desired_stop, "reason": d.reason, "ended_at": d.ended_at,
        "why_not": _text(d.why_not) if d.why_not else None, "avoid": d.avoid, "now": now,
    }  # fmt: skip


def _changed_row(deployment: Deployment, now: datetime) -> Mapping[str, Any]:
    d = deployment
    return {
        "job_id": d.job_id, "attempt": d.attempt, "state": d.state.value, "revision": d.revision,
        "epoch": d.epoch, "node": d.node, "desired_stop": d.desired_stop, "reason": d.reason,
        "detail": d.detail[:500] if d.detail else None, "exit_code": d.exit_code,
        "node_load": d.load, "placed_at": d.placed_at, "started_at": d.started_at,
        "ended_at": d.ended_at, "kill_failed": d.kill_failed, "stops_sent": d.stops_sent,
        "is_commanded": d.is_commanded, "is_moving": d.is_moving, "avoid": d.avoid, "now": now,
        "why_not": _text(d.why_not) if d.why_not else None,
        "explanation": _text(d.explanation) if d.explanation else None,
    }  # fmt: skip


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _by(things: Iterable[Any], key: Any) -> Mapping[Any, list[Any]]:
    """Group; what is grouped is few kinds of many."""
    groups: dict[Any, list[Any]] = defaultdict(list)
    for thing in things:
        groups[key(thing)].append(thing)
    return groups


def _explanation(text: str | None) -> tuple[Told, ...]:
    return msgspec.json.decode(text, type=tuple[Told, ...]) if text else ()


def _command(text: str | None) -> StartJob | None:
    if not text:
        return None
    message = decode(JOB_COMMANDS, text.encode())
    if not isinstance(message, StartJob):
        raise TypeError(f"a deployment keeps a {type(message).__name__} as command")
    return message


def _reason(text: str | None) -> Reason | None:
    return Reason(text) if text else None
