"""What the deployment manager has to send: starts, stops and snapshots, each until it is confirmed.

What is lost with this process is found again in the database; what was sent twice does no harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from common.bus import BusUnavailableError, MessageTooLargeError, Pending, Producer
from common.bus import UnknownTopicError as NoTopicError
from common.clock import Clock
from common.failpoints import failpoint
from common.logs import logger
from common.messages import JOB_EVENTS, ContainerChanged, RunningContainer, encode, node_commands
from deployment_manager import outgoing
from deployment_manager.domain.deployment import D, Deployment, Key
from deployment_manager.fleet import Fleet
from deployment_manager.marks import Marks

SEND_TIMEOUT_S = 10.0
STARTS_AT_ONCE = 16
"""Starts commanded to one node and neither confirmed nor refused, of those that are due."""
START_AGAIN_S = 15.0
STOP_AGAIN_S = 5.0
SOON = timedelta(seconds=2)

_log = logger("deployment_manager.sending")


class Sender:
    """Guarded by the deployer's lock."""

    def __init__(self, producer: Producer, clock: Clock, fleet: Fleet) -> None:
        self._producer = producer
        self._clock = clock
        self._fleet = fleet
        self._untold: dict[Key, Deployment] = {}
        self._unstarted: dict[Key, None] = {}
        self._unstopped: dict[Key, None] = {}
        self._started_at: dict[Key, tuple[int, float]] = {}
        self._stopped_at: dict[Key, float] = {}
        self._orders: dict[tuple[str, str, int], int] = {}
        self.marks = Marks()

    def note(self, deployments: Iterable[Deployment]) -> None:
        """Queue what these, as they are now, want sent."""
        for deployment in deployments:
            key = deployment.key
            self._untold[key] = deployment
            if deployment.is_stop_wanted:
                self._unstarted.pop(key, None)
                if key not in self._stopped_at:
                    self._unstopped[key] = None
            elif deployment.state is D.STARTING and not deployment.is_commanded:
                self._stopped_at.pop(key, None)
                self._unstarted[key] = None
            elif not deployment.is_live:
                self._forget(key)

    def stop_stray(self, node: str, container: RunningContainer | ContainerChanged) -> None:
        """Stop a container that nobody wants on this node."""
        _log.warning("stray_container", node_id=node, job_id=container.job_id,
                     attempt=container.attempt, epoch=container.epoch)  # fmt: skip
        self._orders[node, container.job_id, container.attempt] = container.epoch

    @property
    def has_orders(self) -> bool:
        """Whether containers are to be stopped, or asked about, that no row speaks of."""
        return bool(self._orders)

    def ask(self, deployment: Deployment) -> None:
        """Ask how an attempt ended that runs no more: a stop of it is answered with its end."""
        node = str(deployment.node)
        self._orders[node, deployment.job_id, deployment.attempt] = deployment.epoch

    def forget(self) -> None:
        """Drop everything: the database is read anew."""
        for queue in (self._untold, self._unstarted, self._unstopped, self._started_at,
                      self._stopped_at, self._orders):  # fmt: skip
            queue.clear()
        self.marks.forget()

    def commanded_for_s(self, key: Key) -> float:
        """Return how long ago a start was commanded, as this process knows; 0 if it does not."""
        sent = self._started_at.get(key)
        return self._clock.monotonic() - sent[1] if sent else 0.0

    def may_stop_again(self, deployment: Deployment) -> bool:
        """Tell whether a stop was sent and has had its time: the grace and five seconds."""
        grace_s = deployment.command.spec.grace_s if deployment.command else 0
        sent = self._stopped_at.get(deployment.key)
        return sent is not None and self._clock.monotonic() - sent > STOP_AGAIN_S + grace_s

    def stop_again(self, key: Key) -> None:
        """Queue a stop once more."""
        self._unstopped[key] = None

    def look_again(self) -> None:
        """Queue every stop that was never sent and every start without an answer for 15 s."""
        now = self._clock.monotonic()
        for key, deployment in self._fleet.live.items():
            if deployment.is_stop_wanted:
                if key not in self._stopped_at:
                    self._unstopped[key] = None
            elif deployment.state is D.STARTING:
                sent = self._started_at.get(key)
                if sent is None or sent[0] != deployment.epoch or now - sent[1] > START_AGAIN_S:
                    self._unstarted[key] = None

    def flush(self) -> None:
        """Send all that waits; what Kafka does not confirm waits on."""
        try:
            self._send_stops()
            self._send_starts()
            self._tell()
        except BusUnavailableError as error:
            _log.warning("not_sent_yet", error=str(error))

    def _send_stops(self) -> None:
        sent: dict[Key, Pending | None] = {}
        for key in self._unstopped:
            deployment = self._fleet.live.get(key)
            if deployment is None or not deployment.is_stop_wanted:
                sent[key] = None
                continue
            self._stopped_at[key] = self._clock.monotonic()
            payload = outgoing.stop_container(deployment)
            sent[key] = self._command(deployment.node, deployment.job_id, payload)
        for (node, job_id, attempt), epoch in self._orders.items():
            payload = outgoing.stop_stranger(node, job_id, attempt, epoch)
            sent[job_id, -attempt] = self._command(node, job_id, payload)
        self._orders.clear()
        for key in _confirmed(sent):
            self._unstopped.pop(key, None)

    def _send_starts(self) -> None:
        room = self._room_of_nodes()
        sent: dict[Key, Pending | None] = {}
        epochs: dict[Key, int] = {}
        for key in self._unstarted:
            deployment = self._fleet.live.get(key)
            is_due_to_start = deployment is not None and deployment.state is D.STARTING
            if deployment is None or not is_due_to_start or deployment.is_moving:
                sent[key] = None
                continue
            node, command = str(deployment.node), deployment.command
            if command is None or (room.get(node, 0) <= 0 and not deployment.is_commanded):
                continue
            room[node] = room.get(node, 0) - 1
            payload = outgoing.start_container(deployment, command)
            sent[key] = self._command(node, deployment.job_id, payload)
            self._started_at[key] = (deployment.epoch, self._clock.monotonic())
            epochs[key] = deployment.epoch
        for key in _confirmed(sent):
            self._unstarted.pop(key, None)
            if key in epochs:
                self.marks.note_commanded(key, epochs[key], self._clock.monotonic())
                self._fleet.note_commanded(key)
        failpoint("deployer.after_command")

    def _room_of_nodes(self) -> dict[str, int]:
        """Count how many more starts each node may be commanded now."""
        now = self._clock.now() + SOON
        room: dict[str, int] = {}
        for key in self._unstarted:
            deployment = self._fleet.live.get(key)
            node = deployment.node if deployment is not None else None
            if node is None or node in room:
                continue
            if self._fleet.count_on(node) <= STARTS_AT_ONCE:
                room[node] = STARTS_AT_ONCE  # they all may, without a look at each
                continue
            busy = sum(
                1
                for one in self._fleet.on_node(node)
                if one.state is D.STARTING and one.is_commanded
                and one.command is not None and one.command.due <= now
            )  # fmt: skip
            room[node] = STARTS_AT_ONCE - busy
        return room

    def _tell(self) -> None:
        now = self._clock.now()
        batch = list(self._untold.values())
        sent: dict[Key, Pending | None] = {
            one.key: self._producer.send(
                JOB_EVENTS, one.job_id, encode(outgoing.snapshot(one, now))
            )
            for one in batch
        }
        for key in _confirmed(sent):
            self.marks.note_told(self._untold.pop(key), self._clock.monotonic())
        failpoint("deployer.after_tell")

    def _command(self, node: str | None, job_id: str, payload: bytes) -> Pending | None:
        """Send to a node's topic; None where that can never arrive."""
        try:
            return self._producer.send(node_commands(str(node)), job_id, payload)
        except (NoTopicError, MessageTooLargeError) as error:
            _log.error("not_commanded", node_id=node, job_id=job_id, error=str(error))
            return None

    def _forget(self, key: Key) -> None:
        self._unstarted.pop(key, None)
        self._unstopped.pop(key, None)
        self._started_at.pop(key, None)
        self._stopped_at.pop(key, None)


def _confirmed(sent: Mapping[Key, Pending | None]) -> list[Key]:
    """Wait for what was sent; return what needs no sending any more."""
    done: list[Key] = []
    for key, pending in sent.items():
        if pending is not None:
            try:
                pending.wait(SEND_TIMEOUT_S)
            except (NoTopicError, MessageTooLargeError) as error:
                _log.error("not_taken", job_id=key[0], error=str(error))
        done.append(key)
    return done
