"""The deployment manager at work: it places jobs, commands nodes, and owns each deployment's state.

Rules are in `domain`, the choice of a node in `placing`. One replica leads; each round of work is
one transaction under its lead, and what a row wants sent is sent after the commit (`sending`), and
again until it is confirmed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence

import msgspec

from common.bus import Producer
from common.bus.receive import Received
from common.clock import Clock
from common.db import Database, Transaction
from common.errors import Retryable
from common.failpoints import failpoint
from common.logs import logger
from common.messages import KillJob, NodeState, PrepareJob, StartJob
from deployment_manager import store
from deployment_manager.domain.deployment import Deployment, fail_kill, kill, tombstone
from deployment_manager.fleet import Fleet
from deployment_manager.marks import NOTHING_OWED, Owed
from deployment_manager.placing import pending_of, place_all
from deployment_manager.preparing import Preparer
from deployment_manager.round import Round, Rule
from deployment_manager.sending import Sender

LEAD_S = 8
STOPS_BEFORE_ALARM = 3
FORGET_AFTER_DAYS = 30

_log = logger("deployment_manager")


class NotLeadingError(Retryable):
    """Another replica leads; nothing was written."""


class Deployer:
    """The fleet and what is to be sent, guarded by `lock`; every public method takes it."""

    def __init__(
        self, database: Database, producer: Producer, clock: Clock, replica: str = "only"
    ) -> None:
        self.lock = threading.RLock()
        self.fleet = Fleet()
        self.sender = Sender(producer, clock, self.fleet)
        self.preparer = Preparer(producer, clock, self.fleet)
        self._database = database
        self._clock = clock
        self._replica = replica
        self._epoch: int | None = None
        self._is_loaded = False

    def lead(self) -> bool:
        """Take the lead if nobody has it, or keep it; tell whether we lead. Call it every 2 s."""
        with self.lock:
            with self._database.transaction() as transaction:
                epoch = self._take_lead(transaction)
            if epoch != self._epoch:
                _log.info("leads" if epoch is not None else "stands_by", epoch=epoch)
                self._lose_track()
                self._epoch = epoch
            return epoch is not None

    @property
    def is_leading(self) -> bool:
        """Whether we lead, as far as we know: the next write finds out."""
        return self._epoch is not None

    def ensure_loaded(self) -> None:
        """Read the database if that was not done since we lead; raise `NotLeadingError`."""
        with self.lock:
            if not self._is_loaded:
                self.run(lambda _: None)

    def leave(self) -> None:
        """Give the lead back, so that another replica need not wait for its end."""
        with self.lock:
            if self._epoch is None:
                return
            try:
                with self._database.transaction() as transaction:
                    transaction.execute("stop_leading", owner=self._replica, epoch=self._epoch)
            except Retryable as error:
                _log.warning("lead_not_given_back", error=str(error))
            self._epoch = None

    def receive_commands(self, batch: Sequence[Received]) -> None:
        """Obey the scheduler: start and kill, each once however often it comes."""
        messages = [received.message for received in batch]
        commands = [one for one in messages if isinstance(one, (StartJob, KillJob))]

        def work(round_: Round) -> None:
            fresh: list[tuple[str, int]] = []
            for command in commands:
                known = round_.find((command.job_id, command.attempt))
                if isinstance(command, KillJob):
                    self._kill(round_, command)
                elif known is None:
                    round_.add(_first(round_, command))
                    fresh.append((command.job_id, command.attempt))
                if known is not None:  # asked again: what was told may have been lost
                    self.sender.note([known])
            found = [round_.find(key) for key in fresh]
            waiting = [one for one in found if one is not None and one.state == "PENDING"]
            place_all(round_, waiting, self._clock.now())

        if commands:
            self.run(work, {command.job_id for command in commands})
        hints = [one for one in messages if isinstance(one, PrepareJob)]
        if hints:
            with self.lock:
                self.preparer.prepare(hints)

    def place_pending(self) -> None:
        """Try again what found no node; end what may no longer start."""
        with self.lock:
            self.fleet.age(self._clock.now())
            if not self._is_loaded or pending_of(self.fleet):
                self.run(self.place_waiting)

    def place_waiting(self, round_: Round) -> None:
        """Place what waits, within a round that may have made room."""
        place_all(round_, pending_of(self.fleet), self._clock.now())

    def sweep(self) -> None:
        """Send again what is not confirmed: stops, starts, snapshots, and marks."""
        with self.lock:
            if self._is_loaded:
                self.sender.look_again()
            late = [d for d in self.fleet.live.values() if d.is_stop_wanted
                    and self.sender.may_stop_again(d)]  # fmt: skip
            owed = self.sender.marks.owed(self._clock.monotonic())
            if late or owed or not self._is_loaded:
                self.run(lambda round_: self._insist(round_, late), owed=owed)
            else:
                self.sender.flush()

    def forget_ended(self) -> None:
        """Remove rows of long ago."""
        with self.lock, self._database.transaction() as transaction:
            self._fence(transaction)
            transaction.execute("forget_ended", days=FORGET_AFTER_DAYS)

    def run(
        self, work: Callable[[Round], None], jobs: Collection[str] = (), owed: Owed = NOTHING_OWED
    ) -> None:
        """Do one round in one transaction, then send what it wants sent.

        `jobs` are those the round may ask for though they have ended or are new; `owed` is marked.
        """
        with self.lock:
            if self._epoch is None and not self.lead():
                raise NotLeadingError
            try:
                round_ = self._write(work, jobs, owed)
            except Exception:
                self._lose_track()
                raise
            failpoint("deployer.after_commit")
            self.sender.note(round_.outcome)
            self.sender.flush()

    def _write(
        self, work: Callable[[Round], None], jobs: Collection[str], owed: Owed
    ) -> Round:  # fmt: skip
        with self._database.transaction() as transaction:
            self._fence(transaction)
            if not self._is_loaded:
                self._load(transaction)
            round_ = Round(self.fleet, store.attempts_of(transaction, jobs))
            work(round_)
            store.save(transaction, round_, self._clock.now())
            failpoint("deployer.after_insert")
            store.mark_told(transaction, owed.told)
            store.mark_commanded(transaction, owed.commanded)
            failpoint("deployer.before_commit")
        self.sender.marks.settle(owed)
        self.sender.marks.note_written(round_.changed.values())
        return round_

    def _load(self, transaction: Transaction) -> None:
        """Read the live deployments, and what was not told yet."""
        self.fleet.cordon((r["node"], r["reason"]) for r in transaction.all("cordons"))
        live = [(row, store.deployment_from(row)) for row in transaction.all("live_deployments")]
        for _, deployment in live:
            self.fleet.note(deployment)
        untold = [one for row, one in live if row["revision"] > row["told_revision"]]
        untold += [store.deployment_from(row) for row in transaction.all("untold")]
        self.sender.note(untold)
        self.sender.look_again()
        self._is_loaded = True
        _log.info("deployments_loaded", live=len(live), untold=len(untold))

    def _lose_track(self) -> None:
        """Forget what is only a cache: the database is read anew with the next round."""
        self._is_loaded = False
        self.fleet.forget_deployments()
        self.sender.forget()

    def _take_lead(self, transaction: Transaction) -> int | None:
        if self._epoch is not None and self._renews(transaction):
            return self._epoch
        if transaction.execute("take_lead", owner=self._replica, ttl_s=LEAD_S) == 0:
            return None
        row = transaction.one("leader")
        return int(row["epoch"]) if row is not None else None

    def _renews(self, transaction: Transaction) -> bool:
        parameters = {"owner": self._replica, "epoch": self._epoch, "ttl_s": LEAD_S}
        return transaction.execute("fence", **parameters) > 0

    def _fence(self, transaction: Transaction) -> None:
        if not self._renews(transaction):
            self._epoch = None
            raise NotLeadingError

    def _kill(self, round_: Round, command: KillJob) -> None:
        now = self._clock.now()
        key = (command.job_id, command.attempt)
        if round_.find(key) is None:
            round_.add(tombstone(*key, command.reason, now))
        else:
            round_.apply(key, lambda deployment: kill(deployment, command.reason, now))

    def _insist(self, round_: Round, late: Sequence[Deployment]) -> None:
        """Count stops without an answer; after three, raise KILL_FAILED, SIGKILL and cordon."""
        for deployment in late:
            sent = deployment.stops_sent + 1
            counted = round_.apply(deployment.key, _counted(sent))
            self.sender.stop_again(deployment.key)
            if counted is None or sent < STOPS_BEFORE_ALARM or counted.kill_failed:
                continue
            _log.error("kill_failed", job_id=deployment.job_id, node_id=deployment.node)
            round_.apply(deployment.key, fail_kill)
            member = self.fleet.nodes.get(str(deployment.node))
            if member is not None and member.state is NodeState.ACTIVE:
                round_.cordon(member.node_id, f"the kill of {deployment.job_id} is not confirmed")


def _counted(sent: int) -> Rule:
    """Make the rule that counts a stop; that is no news to anybody, so no revision."""
    return lambda deployment: msgspec.structs.replace(deployment, stops_sent=sent)


def _first(round_: Round, command: StartJob) -> Deployment:
    """Make an attempt; one after a lost attempt avoids that attempt's node."""
    before = round_.find((command.job_id, command.attempt - 1))
    avoid = before.node if before is not None and before.state == "LOST" else None
    return Deployment(command.job_id, command.attempt, command, avoid=avoid)
