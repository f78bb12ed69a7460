"""Words about jobs that every service shares: identities, states and reasons.

Which moves between states are legal is decided in `scheduler.domain.job`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import NewType

from common.hashing import partition_of

InstanceId = NewType("InstanceId", str)
JobId = NewType("JobId", str)
NodeId = NewType("NodeId", str)

SHARDS = 16
"""Partitions of `app.instances`, and so shards of the scheduler (architecture.md, 2.3)."""


class JobState(StrEnum):
    """Life of a job (schedule.md, 4)."""

    PLANNED = "PLANNED"
    WAITING = "WAITING"
    QUEUED = "QUEUED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    UNKNOWN = "UNKNOWN"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ENDED = "ENDED"
    CANCELLED = "CANCELLED"
    MISSED = "MISSED"
    SKIPPED = "SKIPPED"
    UPSTREAM_FAILED = "UPSTREAM_FAILED"
    LOST = "LOST"


TERMINAL = frozenset(
    {
        JobState.SUCCEEDED,
        JobState.FAILED,
        JobState.TIMED_OUT,
        JobState.ENDED,
        JobState.CANCELLED,
        JobState.MISSED,
        JobState.SKIPPED,
        JobState.UPSTREAM_FAILED,
        JobState.LOST,
    }
)


class Reason(StrEnum):
    """Why a job is terminal or UNKNOWN (the closed list of schedule.md, 4)."""

    DOWNTIME = "downtime"
    START_DEADLINE = "start_deadline"
    WINDOW_CLOSED = "window_closed"
    OVERLAP = "overlap"
    PAUSED = "paused"
    DEP_FAILED = "dep_failed"
    DEP_TIMEOUT = "dep_timeout"
    NO_NODE = "no_node"
    PULL_FAILED = "pull_failed"
    EXIT_CODE = "exit_code"
    OOM = "oom"
    END_TIME = "end_time"
    DURATION = "duration"
    TIMEOUT = "timeout"
    REPLACED = "replaced"
    USER = "user"
    NODE_LOST = "node_lost"
    KILL_FAILED = "kill_failed"


def job_id_of(instance_id: str, due: datetime, ordinal: int) -> JobId:
    """Derive a job's id from its key: ``hostel-a-heating.20261123T080000Z.0``.

    Readable, safe as a container name and in a URL, and one to one with the key: an instance id
    has no dot. Microseconds appear only where there are any (jobs run by hand).
    """
    moment = due.astimezone(UTC)
    fraction = f".{moment.microsecond:06d}".replace(".", "_") if moment.microsecond else ""
    return JobId(f"{instance_id}.{moment:%Y%m%dT%H%M%S}{fraction}Z.{ordinal}")


def container_name_of(job_id: str, attempt: int) -> str:
    """Name the one container an attempt may have; the name itself refuses a second start."""
    return f"rota-{job_id}-{attempt}"


@lru_cache(maxsize=8192)
def shard_of(instance_id: str) -> int:
    """Return the shard (0..15) of an instance: Kafka's own key hash, so producers agree."""
    return partition_of(instance_id, SHARDS)
