"""Messages about instances and jobs."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from common.jobs import Reason
from common.labels import LabelRule
from common.messages.envelope import Instant, Message


class InstanceChanged(Message, frozen=True, kw_only=True, tag="InstanceChanged"):
    """Look at this instance again: its schedule is new, changed or gone (key: instance id).

    The public message of the platform: `{"instance_id": "..."}` alone is enough.
    """

    instance_id: str


class RunSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a container needs to run; the same for every job of one schedule version.

    `memory_bytes` and `cpus` are both the request that placement counts and the container's limit.
    `secrets` are names: what they stand for is on the machines alone, and reaches the container as
    files. `timeout_s` counts from container start; `grace_s` lies between stop signal and SIGKILL.
    """

    image: str
    command: tuple[str, ...] = ()
    env: dict[str, str] = {}
    place: str | None = None
    sensors: dict[str, str] = {}
    secrets: tuple[str, ...] = ()
    machine: Literal["standalone", "shared"] = "shared"
    node_labels: dict[str, LabelRule] = {}
    cpus: float | None = None
    memory_bytes: int | None = None
    timeout_s: int | None = None
    grace_s: int = 10
    restart: Literal["never", "on-failure", "always"] = "never"
    priority: int = 50


class StartJob(Message, frozen=True, kw_only=True, tag="StartJob"):
    """Place and start one attempt at a job (key: job id).

    Not before `due`; not at all after `start_by` or `stop_at`. `stop_reason` is what the ledger
    says when `stop_at` ends it (end_time or duration). `id` is the same each time it is published.
    """

    job_id: str
    attempt: int
    instance_id: str
    due: Instant
    ordinal: int
    start_by: Instant
    stop_at: Instant | None = None
    stop_reason: Reason | None = None
    on_node_lost: Literal["reschedule", "wait", "fail"] = "wait"
    spec: RunSpec


class PrepareJob(Message, frozen=True, kw_only=True, tag="PrepareJob"):
    """A start that will probably come: its image and container may be got ready (key: job id).

    It reserves nothing and promises nothing; lost, late or doubled it does no harm. `start` is the
    command as it would be sent if nothing changed until then. Without `creates` only the image is
    fetched: the due time is still minutes away.
    """

    job_id: str
    start: StartJob
    creates: bool = True


class KillJob(Message, frozen=True, kw_only=True, tag="KillJob"):
    """Stop a job in whatever state it is; a start that arrives later is refused (key: job id).

    `reason` is what the ledger will say: end_time, duration, replaced or user.
    """

    job_id: str
    attempt: int
    reason: Reason


class DeploymentState(StrEnum):
    """What the deployment manager knows of one attempt."""

    PENDING = "PENDING"  # no node fits yet; `why_not` says why, per node
    STARTING = "STARTING"  # placed and commanded
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    UNKNOWN = "UNKNOWN"  # its node is silent
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ENDED = "ENDED"
    CANCELLED = "CANCELLED"
    MISSED = "MISSED"  # start_by or stop_at passed before any start
    LOST = "LOST"


class DeploymentChanged(Message, frozen=True, kw_only=True, tag="DeploymentChanged"):
    """A snapshot of one attempt's deployment (key: job id).

    A higher `revision` of the same (job, attempt) replaces a lower one; terminal ones never change.
    `load` is the node's load, 0..1, when it was chosen; `why_not` maps node to the reason it was
    not.
    """

    job_id: str
    attempt: int
    revision: int
    state: DeploymentState
    node: str | None = None
    epoch: int = 0
    load: float | None = None
    reason: Reason | None = None
    detail: str | None = None
    exit_code: int | None = None
    placed_at: Instant | None = None
    started_at: Instant | None = None
    ended_at: Instant | None = None
    why_not: dict[str, str] = {}
    kill_failed: bool = False
