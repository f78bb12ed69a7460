"""The deployment manager at work: it places jobs, commands nodes, and owns each deployment's state.

Rules are `domain.deployment`, the choice of a node `load_balancer.domain.ranking`. Every change is
a row first; what a row wants told or commanded is sent after the commit, and again by `sweep`
until it is confirmed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from common.bus import BusUnavailableError, Pending, Producer
from common.bus.receive import Received
from common.clock import Clock
from common.db import Database, DuplicateKeyError, Transaction
from common.failpoints import failpoint
from common.logs import logger
from common.messages import JOB_EVENTS, KillJob, StartJob, encode
from common.messages.topics import node_commands
from deployment_manager import outgoing
from deployment_manager.domain.deployment import (
    Deployment,
    Placing,
    expire,
    fail_kill,
    kill,
    place,
    tombstone,
    wait_for_node,
)
from deployment_manager.fleet import Fleet, need_of
from deployment_manager.store import deployment_from, lock, save
from load_balancer.domain.ranking import Choice, choose, load_of

SEND_TIMEOUT_S = 10.0
STOP_AGAIN = timedelta(seconds=5)
STOPS_BEFORE_ALARM = 3
START_AGAIN = timedelta(seconds=15)

_log = logger("deployment_manager")
Change = Callable[[Deployment], Deployment | None]


class Deployer:
    """Deployments and the fleet, guarded by `lock`; every public method takes it."""

    def __init__(self, database: Database, producer: Producer, clock: Clock) -> None:
        self.lock = threading.RLock()
        self.fleet = Fleet()
        self._database = database
        self._producer = producer
        self._clock = clock
        self._is_loaded = False
        self._stops: dict[tuple[str, int], datetime] = {}
        self._starts: dict[tuple[str, int], datetime] = {}

    def receive_commands(self, batch: Sequence[Received]) -> None:
        """Obey the scheduler: start and kill, each once however often it comes."""
        with self.lock:
            self.load()
            for received in batch:
                message = received.message
                if isinstance(message, StartJob):
                    self._start(message)
                elif isinstance(message, KillJob):
                    self._kill(message)
            self.send()

    def load(self) -> None:
        """Read the live deployments once, at start."""
        with self.lock:
            if self._is_loaded:
                return
            with self._database.transaction() as transaction:
                rows = transaction.all("live_deployments")
            for row in rows:
                self.fleet.note(deployment_from(row))
            self._is_loaded = True
            _log.info("deployments_loaded", live=len(rows))

    def change(self, job_id: str, attempt: int, rule: Change) -> Deployment | None:
        """Apply a rule to one deployment under its row's lock; return it as it is then."""
        with self.lock, self._database.transaction() as transaction:
            before = lock(transaction, job_id, attempt)
            if before is None:
                return None
            after = rule(before)
            if after is not None:
                save(transaction, after)
            failpoint("deployer.before_commit")
        self.fleet.note(after or before)
        return after or before

    def place_pending(self) -> None:
        """Try again what found no node; end what may no longer start."""
        with self.lock:
            self.load()
            pending = [d for d in self.fleet.live.values() if d.state == "PENDING"]
            pending.sort(key=lambda d: (-(d.command.spec.priority if d.command else 0), d.job_id))
            for deployment in pending:
                self._place(deployment)
            if pending:
                self.send()

    def sweep(self) -> None:
        """Send again what is not confirmed: stops, starts, and snapshots."""
        with self.lock:
            self.load()
            now = self._clock.now()
            for deployment in list(self.fleet.live.values()):
                if deployment.state == "STOPPING":
                    self._stop_again(deployment, now)
                elif deployment.state == "STARTING":
                    self._start_again(deployment, now)
            self.send()

    def send(self) -> None:
        """Tell every snapshot that job.events does not have; Kafka away is no harm."""
        with self.lock:
            try:
                self._tell()
            except BusUnavailableError as error:
                _log.warning("not_told_yet", error=str(error))

    def stop_container(self, deployment: Deployment) -> None:
        """Command the node to stop an attempt."""
        if deployment.node is None:
            return
        self._stops[deployment.key] = self._clock.now()
        self._command(deployment.node, deployment.job_id, outgoing.stop_container(deployment))

    def stop_stranger(self, node: str, job_id: str, attempt: int, epoch: int) -> None:
        """Command a node to stop a container that nobody wants there."""
        _log.warning("stray_container", node_id=node, job_id=job_id, attempt=attempt, epoch=epoch)
        self._command(node, job_id, outgoing.stop_stranger(node, job_id, attempt, epoch))

    def _start(self, message: StartJob) -> None:
        with self._database.transaction() as transaction:
            if lock(transaction, message.job_id, message.attempt) is not None:
                return  # doubled, or killed before it came
            deployment = Deployment(message.job_id, message.attempt, message)
            save(transaction, deployment)
            failpoint("deployer.after_insert")
        self.fleet.note(deployment)
        self._place(deployment)

    def _kill(self, message: KillJob) -> None:
        now = self._clock.now()
        with self._database.transaction() as transaction:
            before = lock(transaction, message.job_id, message.attempt)
            if before is None:
                after = tombstone(message.job_id, message.attempt, message.reason, now)
            else:
                after = kill(before, message.reason, now) or before
            if after is not before:
                save(transaction, after)
        self.fleet.note(after)
        if after.state == "STOPPING":
            self.stop_container(after)

    def _place(self, deployment: Deployment) -> None:
        """Choose a node and reserve it, in one transaction; then command it."""
        command = deployment.command
        if command is None:
            return
        now = self._clock.now()
        candidates = self.fleet.candidates(deployment, now)
        choice = choose(candidates, need_of(command.spec))
        explanation = outgoing.explain(candidates, choice)
        load = next((load_of(c) for c in candidates if c.node == choice.node), None)

        def decide(before: Deployment, transaction: Transaction) -> Deployment | None:
            if before.state != "PENDING":
                return None
            gone = expire(before, now)
            if gone is not None:
                return gone
            if choice.node is None or not self._reserve(transaction, before, choice.node):
                return wait_for_node(before, _reasons(choice))
            return place(before, Placing(choice.node, load, explanation), now)

        with self._database.transaction() as transaction:
            before = lock(transaction, *deployment.key)
            after = decide(before, transaction) if before is not None else None
            if after is not None:
                save(transaction, after)
        failpoint("deployer.after_commit")
        if after is not None:
            self.fleet.note(after)
            if after.state == "STARTING":
                self._start_container(after)

    def _reserve(self, transaction: Transaction, deployment: Deployment, node: str) -> bool:
        """Take a place on a node; False where another has taken what this one needs (G8)."""
        transaction.execute("ensure_lock", node=node)
        transaction.one("lock_node", node=node)
        if transaction.one("standalone_on", node=node) is not None:
            return False
        if deployment.command is None or deployment.command.spec.machine != "standalone":
            return True
        occupants = transaction.one("occupants", node=node)
        if occupants is not None and occupants["jobs"] > 0:
            return False
        try:
            transaction.execute(
                "reserve_standalone", node=node, job_id=deployment.job_id,
                attempt=deployment.attempt,
            )  # fmt: skip
        except DuplicateKeyError:
            return False
        return True

    def _start_container(self, deployment: Deployment) -> None:
        if deployment.node is None or deployment.command is None:
            return
        self._starts[deployment.key] = self._clock.now()
        start = outgoing.start_container(deployment, deployment.command)
        if self._command(deployment.node, deployment.job_id, start):
            with self._database.transaction() as transaction:
                transaction.execute(
                    "mark_commanded", job_id=deployment.job_id, attempt=deployment.attempt,
                    epoch=deployment.epoch,
                )  # fmt: skip
            self.fleet.note(replace(deployment, is_commanded=True))

    def _start_again(self, deployment: Deployment, now: datetime) -> None:
        """The same command to the same node: its client drops what it knows."""
        sent = self._starts.get(deployment.key)
        if not deployment.is_commanded or sent is None or now - sent > START_AGAIN:
            self._start_container(deployment)

    def _stop_again(self, deployment: Deployment, now: datetime) -> None:
        sent = self._stops.get(deployment.key)
        if sent is not None and now - sent < STOP_AGAIN + self._grace(deployment):
            return
        if deployment.stops_sent >= STOPS_BEFORE_ALARM and not deployment.kill_failed:
            _log.error("kill_failed", job_id=deployment.job_id, node_id=deployment.node)
            self.change(*deployment.key, fail_kill)
        counted = self.change(*deployment.key, lambda d: replace(d, stops_sent=d.stops_sent + 1))
        if counted is not None:
            self.stop_container(counted)

    @staticmethod
    def _grace(deployment: Deployment) -> timedelta:
        return timedelta(seconds=deployment.command.spec.grace_s if deployment.command else 0)

    def _command(self, node: str, job_id: str, payload: bytes) -> bool:
        try:
            sent = self._producer.send(node_commands(node), job_id, payload)
            sent.wait(SEND_TIMEOUT_S)
        except BusUnavailableError as error:
            _log.warning("not_commanded_yet", node_id=node, job_id=job_id, error=str(error))
            return False
        return True

    def _tell(self) -> None:
        with self._database.transaction() as transaction:
            untold = [deployment_from(row) for row in transaction.all("untold")]
        now = self._clock.now()
        sent: list[tuple[Deployment, Pending]] = [
            (d, self._producer.send(JOB_EVENTS, d.job_id, encode(outgoing.snapshot(d, now))))
            for d in untold
        ]
        for _, pending in sent:
            pending.wait(SEND_TIMEOUT_S)
        failpoint("deployer.after_tell")
        if sent:
            self._mark_told(d for d, _ in sent)

    def _mark_told(self, deployments: Iterable[Deployment]) -> None:
        with self._database.transaction() as transaction:
            for d in deployments:
                transaction.execute(
                    "mark_told", job_id=d.job_id, attempt=d.attempt, revision=d.revision
                )


def _reasons(choice: Choice) -> dict[str, str]:
    if not choice.verdicts:
        return {"*": "no node is known yet"}
    return {
        node: "taken meanwhile" if why == "chosen" else why for node, why in choice.verdicts.items()
    }


