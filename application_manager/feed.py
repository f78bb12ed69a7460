"""What changed, told to everybody who looks: the source of the event stream.

Job events come from the ledger's own append-only table, so their ids are the stream's ids and a
reader resumes where it was. Everything is read once, however many look, and nothing while nobody
does.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from application_manager.ledger import Json, job_from
from common.clock import Clock
from common.db import Database, Row, Transaction

EVERY_S = 1.0
MOST_AT_ONCE = 1000
MOST_QUEUED = 500
OVERLAP = 200
"""Event ids that are read again: a transaction that began earlier may commit later."""


@dataclass(frozen=True)
class Source:
    """A list that is told whole at first and then row by row; `ignored` keys alone tell nothing."""

    read: Callable[[], list[Json]]
    key: str
    ignored: frozenset[str] = frozenset()

    def rows(self) -> dict[str, Json]:
        return {row[self.key]: row for row in self.read()}

    def essence(self, row: Json) -> Json:
        return {key: item for key, item in row.items() if key not in self.ignored}


@dataclass(eq=False)
class Subscription:
    """One reader's queue. Filled from the feed's thread, emptied on the event loop."""

    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[bytes | None] = field(
        default_factory=lambda: asyncio.Queue(MOST_QUEUED)
    )
    is_behind: bool = False

    def push(self, chunk: bytes) -> None:
        """Hand over; a reader that does not keep up is let go, and resumes by itself."""
        self.loop.call_soon_threadsafe(self._put, chunk)

    def _put(self, chunk: bytes) -> None:
        if self.is_behind:
            return
        if self.queue.full():
            self.is_behind = True
            self.queue.get_nowait()
            self.queue.put_nowait(None)
        else:
            self.queue.put_nowait(chunk)


class Feed:
    """Looks for changes once a second while somebody listens. `run_once` belongs to one thread."""

    def __init__(self, database: Database, clock: Clock, sources: Mapping[str, Source]) -> None:
        self._database = database
        self._clock = clock
        self._sources = sources
        self._lock = Lock()
        self._subscriptions: set[Subscription] = set()
        self._sent: dict[int, None] = {}
        self._newest: int | None = None
        self._changed_since: datetime | None = None
        self._last: dict[str, dict[str, Json]] = {}

    def subscribe(self) -> Subscription:
        """Listen; called on the event loop."""
        subscription = Subscription(asyncio.get_running_loop())
        with self._lock:
            self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        with self._lock:
            self._subscriptions.discard(subscription)

    @property
    def listeners(self) -> int:
        return len(self._subscriptions)

    def run_once(self) -> float:
        """Tell what is new; with nobody there, forget where we were."""
        with self._lock:
            listening = list(self._subscriptions)
        if not listening:
            self._newest, self._sent, self._last = None, {}, {}
            return EVERY_S
        chunks = [*self._job_events(), *self._schedule_events(), *self._source_events()]
        for chunk in chunks:
            for subscription in listening:
                subscription.push(chunk)
        return EVERY_S

    def since(self, event_id: int) -> list[bytes]:
        """Return what a reader missed who last saw this id; `reset` where that is too much."""
        with self._database.transaction() as transaction:
            rows = transaction.all(
                "events_after", after=max(0, event_id - OVERLAP), limit=MOST_AT_ONCE
            )
        if len(rows) == MOST_AT_ONCE:
            return [event_bytes("reset", {"reason": "too much happened meanwhile"})]
        return [_job_event(row) for row in rows]

    def greeting(self) -> list[bytes]:
        """Return what a reader gets first."""
        return [
            b"retry: 2000\n\n",
            event_bytes("hello", {"now": self._clock.now()}),
            *(
                event_bytes(name, {"items": source.read(), "gone": [], "is_whole": True})
                for name, source in self._sources.items()
            ),
        ]

    def _job_events(self) -> list[bytes]:
        with self._database.transaction() as transaction:
            if self._newest is None:
                self._begin(transaction)
            after = max(0, (self._newest or 0) - OVERLAP)
            rows = transaction.all("events_after", after=after, limit=MOST_AT_ONCE + OVERLAP)
        fresh = [row for row in rows if row["event_id"] not in self._sent]
        self._note(row["event_id"] for row in fresh)
        return [_job_event(row) for row in fresh]

    def _begin(self, transaction: Transaction) -> None:
        row = transaction.one("newest_event")
        self._newest = (row["event_id"] if row else 0) or 0
        before = transaction.all("events_after", after=max(0, self._newest - OVERLAP),
                                 limit=OVERLAP + 1)  # fmt: skip
        self._note(each["event_id"] for each in before)

    def _note(self, ids: Iterable[int]) -> None:
        for each in ids:
            self._sent[each] = None
            self._newest = max(self._newest or 0, each)
        for each in list(self._sent)[: -4 * OVERLAP]:
            del self._sent[each]

    def _schedule_events(self) -> list[bytes]:
        """Tell which instances were changed; what they are now is read where it is wanted."""
        with self._database.transaction() as transaction:
            since = self._changed_since or self._clock.now()
            rows = transaction.all("changed_instances", since=since, limit=MOST_AT_ONCE)
        self._changed_since = max([since, *(row["updated_at"] for row in rows)])
        if not rows:
            return []
        return [event_bytes("schedules", {"instances": [row["instance_id"] for row in rows]})]

    def _source_events(self) -> list[bytes]:
        """Tell the rows of each list that have changed, and the keys of those that are gone."""
        told = []
        for name, source in self._sources.items():
            rows = source.rows()
            before = self._last.get(name, rows)
            self._last[name] = rows
            fresh = [
                row
                for key, row in rows.items()
                if key not in before or source.essence(row) != source.essence(before[key])
            ]
            gone = [key for key in before if key not in rows]
            if fresh or gone:
                told.append(event_bytes(name, {"items": fresh, "gone": gone, "is_whole": False}))
        return told


def event_bytes(name: str, body: Json, event_id: int | None = None) -> bytes:
    """Write one event as the browser's EventSource reads it."""
    head = f"id: {event_id}\n" if event_id is not None else ""
    text = json.dumps(body, default=_plain, separators=(",", ":"))
    return f"{head}event: {name}\ndata: {text}\n\n".encode()


def _job_event(row: Row) -> bytes:
    body = {
        **{key: row[key] for key in ("event_id", "at", "from_state", "to_state")},
        "event_attempt": row["event_attempt"],
        "event_reason": row["event_reason"],
        "event_detail": row["event_detail"],
        "job": job_from(row),
    }
    return event_bytes("job", body, row["event_id"])


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
