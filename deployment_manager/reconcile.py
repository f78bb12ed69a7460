"""What the nodes say against what should be: container snapshots, heartbeats, membership, loads.

The same rules whether a snapshot or a heartbeat tells them (ADR 2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from common.bus.receive import Received
from common.clock import Clock
from common.messages import (
    ContainerChanged,
    ContainerState,
    NodeChanged,
    NodeHeartbeat,
    NodeLoad,
    NodeState,
    RunningContainer,
)
from deployment_manager.domain.deployment import D, Deployment, Key
from deployment_manager.domain.news import apply_container, find_again, find_missing
from deployment_manager.drain import letting_go
from deployment_manager.fleet import Fleet
from deployment_manager.round import Round, Rule
from deployment_manager.service import Deployer

_LETTING_GO = {NodeState.LOST, NodeState.REMOVED, NodeState.DRAINING}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ASK_AFTER_S = 8.0
MISSING_AFTER_S = 15.0
LEAST_HEARTBEATS = 3
"""A container is missing when so many heartbeats over so many seconds, all of them younger than its
last news, do not have it: the heartbeats may be late, and clocks may differ."""


@dataclass(frozen=True)
class _Absence:
    epoch: int
    since: float
    heartbeats: int = 1


class Reconciler:
    """Feeds the nodes' news to the deployer; shares its lock."""

    def __init__(self, deployer: Deployer, clock: Clock) -> None:
        self._deployer = deployer
        self._clock = clock
        self._absences: dict[Key, _Absence] = {}

    def receive_containers(self, batch: Sequence[Received]) -> None:
        """Apply what clients report; a node that has room again gets what waits for one."""
        news = [r.message for r in batch if isinstance(r.message, ContainerChanged)]

        def work(round_: Round) -> None:
            for one in news:
                self._apply(round_, one)
            self._deployer.place_waiting(round_)

        self._deployer.run(work, {one.job_id for one in news})

    def receive_nodes(self, batch: Sequence[Received]) -> None:
        """Take in who belongs to the fleet; what follows from it, the loops do soon."""
        with self._deployer.lock:
            now = self._clock.now()
            for received in batch:
                if isinstance(received.message, NodeChanged):
                    self._deployer.fleet.note_node(received.message, now)

    def receive_loads(self, batch: Sequence[Received]) -> None:
        """Keep each node's last sample; an error keeps the one before, which grows old."""
        with self._deployer.lock:
            now = self._clock.now()
            last = {r.message.node_id: r.message for r in batch
                    if isinstance(r.message, NodeLoad) and r.message.load is not None}  # fmt: skip
            for load in last.values():
                self._deployer.fleet.note_load(load, now)

    def receive_heartbeats(self, batch: Sequence[Received]) -> None:
        """Hold the last heartbeat of each node against what should be there.

        What is stopped without a row of its own is stopped under the lead all the same: one that
        was frozen may know nothing of what its successor has placed since.
        """
        last: dict[str, tuple[NodeHeartbeat, datetime]] = {}
        for message, record in batch:
            if isinstance(message, NodeHeartbeat) and message.docker_ok:
                at = _EPOCH + timedelta(milliseconds=record.timestamp_ms)
                last[message.node_id] = (message, at)
        with self._deployer.lock:
            self._deployer.ensure_loaded()
            changes = [change for beat, at in last.values() for change in self._compare(beat, at)]
            if changes or self._deployer.sender.has_orders:
                self._deployer.run(lambda round_: _apply_all(round_, changes))
            else:
                self._deployer.sender.flush()

    def settle(self) -> None:
        """Let go of what is on nodes that are lost, removed or drained."""
        with self._deployer.lock:
            self._deployer.ensure_loaded()
            fleet, now = self._deployer.fleet, self._clock.now()
            self._absences = {k: v for k, v in self._absences.items() if k in fleet.live}
            changes = [
                (deployment.key, rule)
                for node in fleet.nodes.values()
                if node.state in _LETTING_GO
                for deployment in fleet.on_node(node.node_id)
                if (rule := letting_go(fleet, node, deployment, now)) is not None
            ]
            lifted = [name for name in fleet.cordons if _is_taken_over(fleet, name)]
            if changes or lifted:
                self._deployer.run(lambda round_: _settle(round_, changes, lifted))

    def _apply(self, round_: Round, news: ContainerChanged) -> None:
        now = self._clock.now()
        self._absences.pop((news.job_id, news.attempt), None)
        known = round_.apply((news.job_id, news.attempt), lambda d: apply_container(d, news, now))
        is_wanted = (
            known is not None
            and known.is_live
            and (known.node, known.epoch) == (news.node_id, news.epoch)
        )
        if news.state is ContainerState.RUNNING and not is_wanted:
            self._deployer.sender.stop_stray(news.node_id, news)

    def _compare(self, beat: NodeHeartbeat, at: datetime) -> list[tuple[Key, Rule]]:
        """Return what a heartbeat changes; ask or stop what needs no row."""
        listed = {(one.job_id, one.attempt): one for one in beat.containers}
        changes: list[tuple[Key, Rule]] = []
        for deployment in self._deployer.fleet.on_node(beat.node_id):
            rule = self._judge(deployment, listed, at)
            if rule is not None:
                changes.append((deployment.key, rule))
        for key, container in listed.items():
            live = self._deployer.fleet.live.get(key)
            is_ours = live is not None and live.node == beat.node_id
            if container.state is ContainerState.RUNNING and not is_ours:
                self._deployer.sender.stop_stray(beat.node_id, container)
        return changes

    def _judge(
        self, deployment: Deployment, listed: Mapping[Key, RunningContainer], at: datetime
    ) -> Rule | None:
        container = listed.get(deployment.key)
        if container is not None and container.epoch != deployment.epoch:
            return None  # of an earlier placement here; its client knows what to do with it
        if container is not None and container.state is ContainerState.RUNNING:
            self._absences.pop(deployment.key, None)
            return find_again if deployment.state is D.UNKNOWN else None
        if not deployment.is_commanded:
            return find_again if deployment.state is D.UNKNOWN else None
        if _is_from_before(deployment, at):
            return None
        absence = self._note_absence(deployment)
        absent_s = self._clock.monotonic() - absence.since
        if absent_s >= ASK_AFTER_S and deployment.started_at is not None:
            self._deployer.sender.ask(deployment)
        if container is not None or absent_s < MISSING_AFTER_S:
            return None  # it ended, and its client is asked how; or it is early to say
        now = self._clock.now()
        is_proved = absence.heartbeats >= LEAST_HEARTBEATS
        return (lambda d: find_missing(d, now)) if is_proved else None

    def _note_absence(self, deployment: Deployment) -> _Absence:
        key, before = deployment.key, self._absences.get(deployment.key)
        if before is None or before.epoch != deployment.epoch:
            self._absences[key] = _Absence(deployment.epoch, self._clock.monotonic())
        else:
            self._absences[key] = _Absence(before.epoch, before.since, before.heartbeats + 1)
        return self._absences[key]


def _apply_all(round_: Round, changes: Sequence[tuple[Key, Rule]]) -> None:
    for key, rule in changes:
        round_.apply(key, rule)


def _settle(
    round_: Round, changes: Sequence[tuple[Key, Rule]], lifted: Sequence[str]
) -> None:
    for node in lifted:
        round_.uncordon(node)
    _apply_all(round_, changes)


def _is_taken_over(fleet: Fleet, node: str) -> bool:
    """Tell whether a cordoned node is an operator's business by now, or was away."""
    member = fleet.nodes.get(node)
    return member is not None and member.state in _LETTING_GO


def _is_from_before(deployment: Deployment, at: datetime) -> bool:
    """Tell whether a heartbeat came to the broker before the attempt was placed."""
    return deployment.placed_at is None or at <= deployment.placed_at
