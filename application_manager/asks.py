"""What people ask of the scheduler and of the node manager: rows that these read and obey.

Nothing is decided here but whether the question makes sense; what became of a request is told by
the scheduler, in a table of its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from application_manager import store
from application_manager.domain.access import Actor
from application_manager.domain.plan import Stored
from application_manager.ledger import find_job
from application_manager.schedules import ConflictError, NoSuchInstanceError
from application_manager.store import stored_instances
from common.clock import Clock
from common.db import Database, Transaction
from common.errors import Permanent
from common.jobs import TERMINAL, JobState, job_id_of
from common.messages import NodeState
from common.schedule import compile_schedule

MOST_BACKFILLED = 100
WOULD_RUN = "would run"
_OUT_OF_USE = {NodeState.DRAINING, NodeState.LOST, NodeState.REMOVED}


class JobEndedError(Permanent):
    """The job has ended."""


class NoSuchRequestError(Permanent):
    """There is no such request."""


class NoSuchNodeError(Permanent):
    """There is no such node."""


@dataclass(frozen=True)
class Ask:
    """One wish: of a job, or of an instance at a due time."""

    kind: str
    instance_id: str
    job_id: str | None = None
    due: datetime | None = None
    forced: bool = False


@dataclass(frozen=True)
class Asks:
    """Writes requests and wakes who reads them. Safe to share between threads."""

    database: Database
    clock: Clock
    publish: Callable[[], None]

    def of_job(self, job_id: str, kind: str, actor: Actor, *, forced: bool = False) -> str:
        """Ask for a job to be killed or tried again; return the request's key."""
        with self.database.transaction() as transaction:
            job = find_job(transaction, job_id)
            if kind == "kill" and JobState(job["state"]) in TERMINAL:
                raise JobEndedError(f"{job_id} has ended: {job['state']}")
            ask = Ask(kind, job["instance"], job_id, None, forced)
            key = _write(transaction, ask, actor)
            store.record(transaction, actor.name, f"job.{kind}", job_id, state=job["state"])
        self.publish()
        return key

    def of_instance(self, ask: Ask, actor: Actor) -> str:
        """Ask for a run now, or for the next due time to be skipped; return the request's key."""
        with self.database.transaction() as transaction:
            _require(transaction, ask.instance_id)
            key = _write(transaction, ask, actor)
            detail = {"forced": ask.forced, "due": str(ask.due) if ask.due else None}
            action = f"instance.{ask.kind}"
            store.record(transaction, actor.name, action, ask.instance_id, **detail)
        self.publish()
        return key

    def preview_backfill(
        self, instance_id: str, after: datetime, until: datetime
    ) -> list[dict[str, Any]]:
        """Tell which due times lie in (after, until], and what a run of each would meet.

        `ConflictError` for a range that ends ahead of now: what is due then starts by itself.
        """
        now = self.clock.now()
        if until > now:
            raise ConflictError("the range ends ahead of now, and what is due then starts by"
                                " itself; take an end that has passed")  # fmt: skip
        with self.database.transaction() as transaction:
            calendar = compile_schedule(_require(transaction, instance_id).spec)
            if calendar is None:
                raise ConflictError(f"{instance_id} has no due times of its own")
            dues = calendar.due_between(after, until, MOST_BACKFILLED + 1)
            if len(dues) > MOST_BACKFILLED:
                raise ConflictError(f"more than {MOST_BACKFILLED} due times; take a shorter range")
            ids = [job_id_of(instance_id, due, 0) for due in dues]
            rows = transaction.all("existing_jobs", jobs=ids)
        known = {row["job_id"] for row in rows}
        return [
            {"due": due, "stop": calendar.stop_time(due),
             "verdict": _verdict(calendar.stop_time(due), now, is_known=job_id in known)}
            for due, job_id in zip(dues, ids, strict=True)
        ]  # fmt: skip

    def backfill(
        self, instance_id: str, dues: Sequence[datetime], actor: Actor, *, forced: bool
    ) -> list[str]:
        """Ask for a run of each of these due times; return the requests' keys."""
        with self.database.transaction() as transaction:
            _require(transaction, instance_id)
            keys = [
                _write(transaction, Ask("run", instance_id, None, due, forced), actor)
                for due in dues
            ]
            store.record(transaction, actor.name, "instance.backfill", instance_id, jobs=len(dues))
        self.publish()
        return keys

    def outcome_of(self, key: str) -> dict[str, Any]:
        """Tell what became of a request: pending, done or refused, and a word for who asked."""
        with self.database.transaction() as transaction:
            row = transaction.one("find_request", key=key)
        if row is None:
            raise NoSuchRequestError(f"there is no request {key!r}")
        return {
            "request": key,
            "kind": row["kind"],
            "instance": row["instance_id"],
            "job_id": row["job_id"],
            "outcome": row["outcome"] or "pending",
            "detail": row["detail"],
            "requested_by": row["requested_by"],
            "requested_at": row["requested_at"],
            "handled_at": row["handled_at"],
        }

    def of_node(self, node_id: str, wish: str, actor: Actor) -> None:
        """Ask the node manager to drain a node, or to use it again."""
        with self.database.transaction() as transaction:
            if transaction.one("node_address", node=node_id) is None:
                raise NoSuchNodeError(f"there is no node {node_id!r}")
            transaction.execute("add_node_request", node_id=node_id, wish=wish, actor=actor.name)
            action = "node.drain" if wish else "node.uncordon"
            store.record(transaction, actor.name, action, node_id, wish=wish)

    def remove_node(self, node_id: str, actor: Actor) -> None:
        """Ask the node manager to forget a node; raises `ConflictError` while it is in use."""
        with self.database.transaction() as transaction:
            rows = transaction.all("all_nodes")
            state = next((row["state"] for row in rows if row["node_id"] == node_id), None)
            if state is None:
                raise NoSuchNodeError(f"there is no node {node_id!r}")
            here = {row["node"]: row["jobs"] for row in transaction.all("jobs_on_nodes")}
            if here.get(node_id):
                raise ConflictError(f"{here[node_id]} jobs are on {node_id}: drain it first")
            if state not in _OUT_OF_USE:
                raise ConflictError(f"{node_id} is {state} and takes jobs: drain it first")
            transaction.execute("add_node_request", node_id=node_id, wish=NodeState.REMOVED,
                                actor=actor.name)  # fmt: skip
            store.record(transaction, actor.name, "node.remove", node_id, state=state)


def _write(transaction: Transaction, ask: Ask, actor: Actor) -> str:
    key = secrets.token_hex(16)
    transaction.execute(
        "add_request", key=key, kind=ask.kind, instance_id=ask.instance_id, job_id=ask.job_id,
        due=ask.due, forced=ask.forced, actor=actor.name,
    )  # fmt: skip
    store.announce(transaction, [ask.instance_id])
    return key


def _require(transaction: Transaction, instance_id: str) -> Stored:
    found = stored_instances(transaction, [instance_id]).get(instance_id)
    if found is None or found.deleted:
        raise NoSuchInstanceError(f"there is no instance {instance_id!r}")
    return found


def _verdict(stop: datetime | None, now: datetime, *, is_known: bool) -> str:
    if is_known:
        return "exists already"
    if stop is not None and stop <= now:
        return "its stop time is over"
    return WOULD_RUN
