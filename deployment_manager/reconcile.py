"""What the nodes say against what should be: container snapshots, heartbeats, membership, loads.

The same rules whether a snapshot or a heartbeat tells them (ADR 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from common.bus.receive import Received
from common.clock import Clock
from common.messages import (
    ContainerChanged,
    ContainerState,
    NodeChanged,
    NodeHeartbeat,
    NodeLoad,
    NodeState,
)
from deployment_manager.domain.deployment import (
    Deployment,
    apply_container,
    find_missing,
    lose_node,
)
from deployment_manager.service import Deployer

SETTLED_AFTER = timedelta(seconds=20)
"""A heartbeat proves a container's absence only this long after its command was confirmed."""


class Reconciler:
    """Feeds the nodes' news to the deployer; shares its lock."""

    def __init__(self, deployer: Deployer, clock: Clock) -> None:
        self._deployer = deployer
        self._clock = clock

    def receive_containers(self, batch: Sequence[Received]) -> None:
        with self._deployer.lock:
            self._deployer.load()
            for received in batch:
                if isinstance(received.message, ContainerChanged):
                    self._apply(received.message)
            self._deployer.place_pending()
            self._deployer.send()

    def receive_nodes(self, batch: Sequence[Received]) -> None:
        with self._deployer.lock:
            self._deployer.load()
            for received in batch:
                if isinstance(received.message, NodeChanged):
                    self._note(received.message)
            self._deployer.place_pending()
            self._deployer.send()

    def receive_loads(self, batch: Sequence[Received]) -> None:
        """Keep each node's last sample; an error keeps the one before, which grows old."""
        with self._deployer.lock:
            for received in batch:
                load = received.message
                if isinstance(load, NodeLoad) and load.load is not None:
                    self._deployer.fleet.loads[load.node_id] = load

    def receive_heartbeats(self, batch: Sequence[Received]) -> None:
        """Hold the last heartbeat of each node against what should be there."""
        last = {
            r.message.node_id: r.message for r in batch if isinstance(r.message, NodeHeartbeat)
        }
        with self._deployer.lock:
            self._deployer.load()
            for heartbeat in last.values():
                if heartbeat.docker_ok and heartbeat.time is not None:
                    self._compare(heartbeat, heartbeat.time)
            self._deployer.send()

    def _apply(self, news: ContainerChanged) -> None:
        now = self._clock.now()
        known = self._deployer.change(
            news.job_id, news.attempt, lambda d: apply_container(d, news, now)
        )
        is_running = news.state is ContainerState.RUNNING
        is_wanted = known is not None and known.is_live and known.node == news.node_id
        if is_running and not (is_wanted and known is not None and known.epoch == news.epoch):
            self._deployer.stop_stranger(news.node_id, news.job_id, news.attempt, news.epoch)

    def _note(self, node: NodeChanged) -> None:
        fleet = self._deployer.fleet
        if node.state is NodeState.REMOVED:
            fleet.nodes.pop(node.node_id, None)
        else:
            fleet.nodes[node.node_id] = node
        if node.state in {NodeState.LOST, NodeState.REMOVED}:
            now = self._clock.now()
            for deployment in fleet.on_node(node.node_id):
                self._deployer.change(*deployment.key, lambda d: lose_node(d, now))

    def _compare(self, heartbeat: NodeHeartbeat, at: datetime) -> None:
        now = self._clock.now()
        seen = {(c.job_id, c.attempt): c for c in heartbeat.containers}
        for deployment in self._deployer.fleet.on_node(heartbeat.node_id):
            container = seen.get(deployment.key)
            if container is not None and container.epoch == deployment.epoch:
                if container.state is ContainerState.RUNNING and deployment.started_at is None:
                    continue  # its own snapshot, with the start time, is on its way
                if container.state is ContainerState.RUNNING and deployment.state == "UNKNOWN":
                    self._deployer.change(*deployment.key, _found_again)
                continue
            if deployment.is_commanded and _is_settled(deployment, at):
                self._deployer.change(*deployment.key, lambda d: find_missing(d, now))
        for container in heartbeat.containers:
            live = self._deployer.fleet.live.get((container.job_id, container.attempt))
            is_ours = live is not None and live.node == heartbeat.node_id
            if container.state is ContainerState.RUNNING and not is_ours:
                self._deployer.stop_stranger(
                    heartbeat.node_id, container.job_id, container.attempt, container.epoch
                )


def _is_settled(deployment: Deployment, at: datetime) -> bool:
    placed_at = deployment.placed_at
    return placed_at is not None and at - placed_at > SETTLED_AFTER


def _found_again(deployment: Deployment) -> Deployment | None:
    if deployment.state != "UNKNOWN":
        return None
    wish = deployment.desired_stop
    state = type(deployment.state).STOPPING if wish else type(deployment.state).RUNNING
    return deployment.changed(state=state, reason=None)
