"""Messages about nodes, their containers, and the platform's own processes."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from common.jobs import Reason
from common.messages.envelope import Instant, Message
from common.messages.jobs import RunSpec


class StartContainer(Message, frozen=True, kw_only=True, tag="StartContainer"):
    """Create and start the container of one attempt on this node (topic of the node, key: job id).

    Refused before `not_before` - 0.5 s and after `expires_at`; `stop_at` is enforced by the client
    whoever else is down. `epoch` rises with every (re)placement; a lower one is stale.
    """

    node_id: str
    job_id: str
    attempt: int
    epoch: int
    instance_id: str
    due: Instant
    ordinal: int
    not_before: Instant
    expires_at: Instant
    stop_at: Instant | None = None
    spec: RunSpec


class PrepareContainer(Message, frozen=True, kw_only=True, tag="PrepareContainer"):
    """Get ready for a start that will probably come here (topic of the node, key: job id).

    The image is fetched; with `creates` the container is created, too, under the name and with the
    labels it will need. It is never started by this: without its `StartContainer` it is removed
    after `keep_until`.
    """

    node_id: str
    job_id: str
    start: StartContainer
    creates: bool
    keep_until: Instant


class StopContainer(Message, frozen=True, kw_only=True, tag="StopContainer"):
    """Stop the attempt's container, or remember that it must never start (key: job id).

    Holds for this epoch and every lower one. `reason` is for the record.
    """

    node_id: str
    job_id: str
    attempt: int
    epoch: int
    grace_s: int = 10
    reason: Reason


class ContainerState(StrEnum):
    """What the client saw."""

    RUNNING = "RUNNING"
    EXITED = "EXITED"  # ended by whatever cause; the container is kept until this is recorded
    REFUSED = "REFUSED"  # never started: stopped before, expired, stale, pull or create failed
    GONE = "GONE"  # not there and never started again: a stop found nothing, or a reboot ended it


class StopCause(StrEnum):
    """Why the client ended or refused a container; None when it ended by itself."""

    DEADLINE = "deadline"
    TIMEOUT = "timeout"
    COMMAND = "command"
    EXPIRED = "expired"
    PULL_FAILED = "pull_failed"
    CREATE_FAILED = "create_failed"
    STALE = "stale"


class ContainerChanged(Message, frozen=True, kw_only=True, tag="ContainerChanged"):
    """A snapshot of one attempt's container (topic node.events, key: job id)."""

    node_id: str
    job_id: str
    attempt: int
    epoch: int
    state: ContainerState
    stop_cause: StopCause | None = None
    container_id: str | None = None
    exit_code: int | None = None
    oom_killed: bool = False
    started_at: Instant | None = None
    ended_at: Instant | None = None
    detail: str | None = None


class RunningContainer(msgspec.Struct, frozen=True, kw_only=True):
    """One container of ours as a heartbeat lists it."""

    job_id: str
    attempt: int
    epoch: int
    state: ContainerState
    exit_code: int | None = None


class HeldImage(msgspec.Struct, frozen=True, kw_only=True):
    """One name of an image on a machine, and what it stands for there.

    `id` is Docker's (``sha256:...``); `digest` the registry's, None for what no registry gave.
    """

    name: str
    id: str
    digest: str | None = None


class NodeHeartbeat(Message, frozen=True, kw_only=True, tag="NodeHeartbeat"):
    """A client is alive, and this is all it has (every 5 s; key: node id).

    `containers` is complete, ended ones that are still kept included: what is not in it does not
    exist on the node. `address` is where other machines reach it. `images` are the images that are
    on the machine; None: as it was told before.
    """

    node_id: str
    boot_id: str
    sequence: int
    address: str
    log_port: int
    labels: dict[str, str] = {}
    cpus: float
    memory_bytes: int
    docker_ok: bool = True
    detail: str | None = None
    client_version: str = ""
    containers: tuple[RunningContainer, ...] = ()
    images: tuple[HeldImage, ...] | None = None


class NodeState(StrEnum):
    """A node's membership."""

    ACTIVE = "ACTIVE"
    SUSPECT = "SUSPECT"  # silent for 15 s: no new placements
    LOST = "LOST"  # silent for 30 s, and SSH agrees
    DRAINING = "DRAINING"  # runs what it has, gets nothing new
    REMOVED = "REMOVED"


class NodeChanged(Message, frozen=True, kw_only=True, tag="NodeChanged"):
    """A snapshot of one node's membership (topic nodes, compacted; key: node id).

    `drain` says what becomes of the jobs of a DRAINING node: they end by themselves (wait), go on
    elsewhere where their policy lets them (move), or are stopped (force); None: it is not drained.
    """

    node_id: str
    state: NodeState
    revision: int
    boot_id: str
    address: str
    log_port: int
    labels: dict[str, str] = {}
    cpus: float
    memory_bytes: int
    reason: str | None = None
    drain: Literal["wait", "move", "force"] | None = None
    since: Instant


class NodeLoad(Message, frozen=True, kw_only=True, tag="NodeLoad"):
    """How loaded a node is (topic node.loads, compacted; key: node id).

    Fractions 0..1; all three None, with `error` in words, when the node could not be sampled.
    """

    node_id: str
    sampled_at: Instant
    cpu: float | None = None
    ram: float | None = None
    load: float | None = None
    error: str | None = None


class ServiceHeartbeat(Message, frozen=True, kw_only=True, tag="ServiceHeartbeat"):
    """One of the platform's own processes is alive (every 5 s; key: service/replica).

    `health` maps a check's name to "ok" or to what is wrong; `figures` are numbers worth showing.
    """

    service: str
    replica: str
    host: str
    build: str
    started_at: Instant
    health: dict[str, str] = {}
    figures: dict[str, float] = {}
