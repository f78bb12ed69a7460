"""Sending start commands, after the rows that want them are committed.

Rows may be committed a little before they are due: a command waits here until then. What is sent
is marked later, many rows at once; until then the same command may be sent again, under the same
id, and consumers drop it. What could not be sent is found again by `sweep`.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heapify, heappop, heappush
from itertools import count

from common.bus import BusUnavailableError, Producer, UnknownTopicError
from common.clock import Clock
from common.db import Database
from common.logs import logger
from common.messages import JOB_COMMANDS, StartJob
from scheduler.domain.schedule import start_command
from scheduler.flights import MOST_ALOFT, Flights
from scheduler.ledger import attempt_of
from scheduler.ready import Command, command_of
from scheduler.store import Definitions

BATCH = 1000
MOST_SWEPT = 5_000
SWEEP_S = 1.0
IDLE_S = 1.0
BUSY_SWEEP_S = 10.0
MARK_AFTER_S = 5.0
"""What changed its state by then is marked by that; a mark costs as much as the row did."""

SEND_PAUSE_S = 0.002
"""Between two sendings; each costs a request, whatever is in it."""

PAUSE_A_COMMAND_S = 50e-6
"""After so many that it is a storm the pause is longer, so that more go together: sent by 4,000,
each costs the broker half of what it does by 1,000."""

STORM = 500
MOST_AT_ONCE = 4_000

LANDING_S = 0.01
"""So often it is asked what Kafka has, while something is on its way and nothing due."""

_NONE = (0, 0.0)
_log = logger("scheduler.outbox")


@dataclass
class Outbox:
    """Start commands on their way. One thread sends, another sweeps; any may `add` and `nudge`."""

    database: Database
    producer: Producer
    clock: Clock
    definitions: Definitions
    shards: Callable[[], frozenset[int]]
    _queue: list[tuple[datetime, int, Command]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)
    _flights: Flights = field(init=False)
    _expected: set[str] = field(default_factory=set)
    _unmarked: dict[str, tuple[int, float]] = field(default_factory=dict)
    _woken: threading.Event = field(default_factory=threading.Event)
    _sending: threading.Lock = field(default_factory=threading.Lock)
    _sweeping: threading.Lock = field(default_factory=threading.Lock)
    _queueing: threading.Lock = field(default_factory=threading.Lock)
    _swept_at: float = float("-inf")
    _rests_until: float = float("-inf")
    _was_connected: bool = False

    def __post_init__(self) -> None:
        self._flights = Flights(self.clock, self._note_landed)

    def expect(self, job_ids: Iterable[str]) -> None:
        """Leave these rows, about to be committed, to `add`: no sweep sends them as well."""
        self._expected.update(job_ids)

    def give_up(self, job_ids: Iterable[str]) -> None:
        """Expect them no more: their transaction did not come to be, or nobody knows."""
        self._expected.difference_update(job_ids)

    def add(self, commands: Iterable[Command]) -> None:
        """Take commands whose rows are committed; each is sent when its time has come."""
        with self._queueing:
            for command in commands:
                heappush(self._queue, (command.not_before, next(self._numbers), command))
        self._woken.set()

    def withdraw(self, job_ids: Collection[str]) -> set[str]:
        """Take commands back whose time has not come; return those that will not be sent."""
        with self._queueing:
            taken = {each[2].job_id for each in self._queue if each[2].job_id in job_ids}
            if taken:
                self._queue = [each for each in self._queue if each[2].job_id not in taken]
                heapify(self._queue)
        self._expected.difference_update(taken)
        return taken

    def nudge(self) -> None:
        """Let `run_once` return soon."""
        self._woken.set()

    def run_once(self) -> float:
        """Wait until something is to be sent, and send it; a loop's round."""
        if not self._was_connected:
            self._connect()
        rest_s = self._rest_s()
        self._woken.wait(min(rest_s, LANDING_S) if len(self._flights) else rest_s)
        self._woken.clear()
        if self._rest_s() <= 0.0:
            self._rests_until = self.clock.monotonic() + SEND_PAUSE_S
            sent = self.send_queued()
            if sent >= STORM:
                self._rests_until += min(sent, MOST_AT_ONCE) * PAUSE_A_COMMAND_S
        elif len(self._flights):
            with self._sending:
                self._land()
        return 0.0

    def want_sweep(self) -> None:
        """Let `sweep_if_idle` sweep next time, whatever is on."""
        self._swept_at = float("-inf")

    def sweep_if_idle(self) -> None:
        """Sweep, unless much is on its way, which a sweep would only read: then mark a little."""
        pause_s = BUSY_SWEEP_S if self._expected else 0.0
        if self.clock.monotonic() - self._swept_at >= pause_s:
            self.sweep()
        elif self._unmarked:
            with self._sweeping:
                self._mark(MARK_AFTER_S, BATCH)

    def publish(self) -> int:
        """Send all there is to send, queued or found in the ledger; return how many."""
        sent = self.send_queued() + self.sweep()
        with self._sending:
            self._land(0)
        self.mark_sent()
        return sent

    def send_queued(self) -> int:
        """Send what was added and is due; what does not get through is left to `sweep`."""
        sent = 0
        with self._sending:
            while batch := self._take_due():
                self._send(batch)
                sent += len(batch)
        return sent

    def sweep(self) -> int:
        """Mark what Kafka has, and send every start command that is not confirmed as sent.

        Holds up no sending but while it sends itself.
        """
        with self._sweeping:
            self._swept_at = self.clock.monotonic()
            self._mark(MARK_AFTER_S)
            commands = self._unsent()
            if commands:
                with self._sending:
                    self._send(commands)
                    self._land(0)
            return len(commands)

    def mark_sent(self) -> None:
        """Note in the ledger what Kafka has."""
        with self._sending:
            self._land()
        with self._sweeping:
            self._mark()

    def _connect(self) -> None:
        """Open the way to Kafka before there is something to send; in vain is no harm."""
        self._was_connected = True
        try:
            self.producer.send_all(JOB_COMMANDS, [])
        except (BusUnavailableError, UnknownTopicError) as error:
            _log.info("not_connected_yet", error=str(error))

    def _rest_s(self) -> float:
        """Return how long there is nothing to send; at most a second."""
        with self._queueing:
            if not self._queue:
                return IDLE_S
            until_due_s = (self._queue[0][0] - self.clock.now()).total_seconds()
        pause_s = self._rests_until - self.clock.monotonic()
        return min(IDLE_S, max(0.0, until_due_s, pause_s))

    def _take_due(self) -> list[Command]:
        batch: list[Command] = []
        now = self.clock.now()
        with self._queueing:
            while self._queue and len(batch) < MOST_AT_ONCE and self._queue[0][0] <= now:
                batch.append(heappop(self._queue)[2])
        return batch

    def _send(self, commands: Sequence[Command]) -> None:
        """Send them on their way; wait for others only where too many are on theirs."""
        if not commands:
            return
        records = [(command.job_id, command.content) for command in commands]
        try:
            self._flights.add(commands, self.producer.send_all(JOB_COMMANDS, records))
        except Exception:
            self._let_go()
            raise
        self._land()

    def _land(self, most_left: int = MOST_ALOFT) -> None:
        try:
            self._flights.land(most_left)
        except Exception:
            self._let_go()
            raise

    def _note_landed(self, commands: Sequence[Command]) -> None:
        landed_at = self.clock.monotonic()
        # in this order: what is neither expected nor unmarked is sent by a sweep
        for command in commands:
            self._unmarked[command.job_id] = command.attempt, landed_at
        self._expected.difference_update(command.job_id for command in commands)

    def _let_go(self) -> None:
        """Leave all that is not confirmed to a sweep, which finds it in the ledger."""
        with self._queueing:
            self._queue.clear()
        self._flights.clear()
        self._expected.clear()

    def _unsent(self) -> list[Command]:
        shards = self.shards()
        if not shards:
            return []
        with self.database.transaction() as transaction:
            limit = MOST_SWEPT + len(self._unmarked)  # those are among them, and may be the first
            rows = transaction.all(
                "unpublished", shards=shards, now=self.clock.now(), limit=limit
            )
            # in this order: what lands becomes unmarked before it is expected no more
            rows = [row for row in rows if row["job_id"] not in self._expected]
            rows = [row for row in rows if not self._is_unmarked(row["job_id"], row["attempt"])]
            wanted = {(row["instance_id"], row["version"]) for row in rows}
            known = self.definitions.versions_of(transaction, wanted)
        commands = [
            start_command(known[row["instance_id"], row["version"]], attempt_of(row))
            for row in rows
            if (row["instance_id"], row["version"]) in known
        ]
        return [command_of(start) for start in sorted(commands, key=_order)]

    def _mark(self, after_s: float = 0.0, most: int | None = None) -> None:
        """Note what Kafka has had for so long; until that is committed it is unmarked."""
        by_attempt: dict[int, list[str]] = defaultdict(list)
        until = self.clock.monotonic() - after_s
        for job_id, (attempt, landed_at) in list(self._unmarked.items())[:most]:
            if landed_at <= until:
                by_attempt[attempt].append(job_id)
        for attempt, jobs in by_attempt.items():
            for start in range(0, len(jobs), BATCH):
                self._mark_some(sorted(jobs[start : start + BATCH]), attempt)

    def _mark_some(self, jobs: Sequence[str], attempt: int) -> None:
        with self.database.transaction() as transaction:
            transaction.execute("mark_published", jobs=jobs, attempt=attempt)
        for job_id in jobs:
            if self._is_unmarked(job_id, attempt):
                del self._unmarked[job_id]

    def _is_unmarked(self, job_id: str, attempt: int) -> bool:
        return self._unmarked.get(job_id, _NONE)[0] == attempt


def _order(command: StartJob) -> tuple[datetime, int, str]:
    return command.due, -command.spec.priority, command.job_id
