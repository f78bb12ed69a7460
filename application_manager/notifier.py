"""Telling people by webhook or mail what became of jobs: written down first, then sent until taken.

What is worth telling is `domain.notices`'. A notice names the job and its end, never its
environment or output.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from application_manager.channels import channel_of
from application_manager.delivery import Post, deliver, post
from application_manager.domain.channels import TEST, Channel, channels_in, tellings
from application_manager.domain.notices import WELL_ENDED, Happened, NotTakenError, wait_before
from application_manager.mail import send_nothing
from common.clock import Clock
from common.db import Database, Row, Transaction
from common.jobs import JobState
from common.logs import logger
from common.schedule import Notify, spec_from_json

EVENTS_AT_ONCE = 500
OVERLAP = 200
"""Event ids that are read again: a transaction that began earlier may commit later."""
SENT_AT_ONCE = 20

_log = logger("application_manager.notifier")


@dataclass(frozen=True)
class Notifier:
    """Reads the ledger's events, writes notices, sends them; a thread each for its two `…_once`."""

    database: Database
    clock: Clock
    post: Post = post
    mail: Post = send_nothing

    def run_once(self) -> float | None:
        """Write down what is new, post what is due."""
        read = self._collect()
        self._send("webhook", self.post)
        return 0.0 if read == EVENTS_AT_ONCE + OVERLAP else None

    def mail_once(self) -> None:
        """Send the letters that are due; webhooks never wait for the mail server."""
        self._send("mail", self.mail)

    def tidy(self, keep_days: float) -> None:
        """Forget what was told or given up so long ago."""
        with self.database.transaction() as transaction:
            position, _ = _positions(transaction)
            transaction.execute(
                "forget_notices", before=position - OVERLAP, keep_s=int(keep_days * 86_400)
            )

    def _collect(self) -> int:
        with self.database.transaction() as transaction:
            position, floor = _positions(transaction)
            events = transaction.all(
                "events_after", after=max(floor, position - OVERLAP), limit=EVENTS_AT_ONCE + OVERLAP
            )
            notices = self._notices_of(transaction, events)
            transaction.execute_many("add_notices", notices)
            newest = max([position, *(event["event_id"] for event in events)])
            if newest > position:
                transaction.execute("set_position", name="notices", position=newest)
        return len(events)

    def _notices_of(
        self, transaction: Transaction, events: Sequence[Row]
    ) -> list[dict[str, Any]]:
        everywhere = [(row["created_at"], channel_of(row))
                      for row in transaction.all("all_channels")]  # fmt: skip
        wanted = _wishes(transaction, {event["instance_id"] for event in events})
        found = []
        for event in events:
            own = wanted.get(event["instance_id"])
            channels = channels_in(own) if own else []
            channels += [channel for since, channel in everywhere if since <= event["at"]]
            happened = _happened(transaction, event, channels)
            found += [
                {"event_id": event["event_id"], "job_id": event["job_id"], "kind": kind,
                 "channel": channel.way, "source": channel.source, "url": channel.url,
                 "body": json.dumps(_body(event, kind))}
                for kind, channel in tellings(happened, channels)
            ]  # fmt: skip
        return found

    def _send(self, way: str, send: Post) -> None:
        with self.database.transaction() as transaction:
            due = transaction.all("due_notices", channel=way, limit=SENT_AT_ONCE)
        for notice, error in deliver(send, due, self.clock):
            if error is None:
                self._mark(notice, state="sent", tries=notice["tries"] + 1, error=None, wait_s=0)
            else:
                self._put_off(notice, error)

    def _put_off(self, notice: Row, error: Exception) -> None:
        tries = notice["tries"] + 1
        wait = wait_before(tries) if notice["kind"] != TEST else None
        is_said = isinstance(error, NotTakenError)
        said = (str(error) if is_said else f"{type(error).__name__}: {error}".rstrip(": "))[:500]
        _log.warning("notice_not_taken", job_id=notice["job_id"], tries=tries, error=said)
        self._mark(notice, state="waiting" if wait else "given_up", tries=tries, error=said,
                   wait_s=int(wait.total_seconds()) if wait else 0)  # fmt: skip

    def _mark(self, notice: Row, **change: Any) -> None:
        with self.database.transaction() as transaction:
            transaction.execute("mark_notice", notice_id=notice["notice_id"], **change)


def _positions(transaction: Transaction) -> tuple[int, int]:
    """Return where reading goes on, and where it began: what was before that is told to nobody."""
    rows = [transaction.one("position", name=name) for name in ("notices", "notices_from")]
    if rows[0] is not None and rows[1] is not None:
        return int(rows[0]["position"]), int(rows[1]["position"])
    newest = transaction.one("newest_event")
    position = int((newest["event_id"] if newest else 0) or 0)
    for name in ("notices", "notices_from"):
        transaction.execute("set_position", name=name, position=position)
    return position, position


def _wishes(transaction: Transaction, instances: set[str]) -> dict[str, Notify]:
    if not instances:
        return {}
    rows = transaction.all("instances_by_id", instances=sorted(instances))
    specs = {row["instance_id"]: spec_from_json(row["spec"]) for row in rows}
    return {name: spec.notify for name, spec in specs.items() if spec.notify is not None}


def _happened(transaction: Transaction, event: Row, channels: Sequence[Channel]) -> Happened:
    to_state = JobState(event["to_state"])
    previous = None
    if to_state in WELL_ENDED and any("recovered" in channel.on for channel in channels):
        row = transaction.one("job_before", instance_id=event["instance_id"], due=event["due"])
        previous = JobState(row["state"]) if row else None
    return Happened(to_state, event["lateness_ms"], previous)


def _body(event: Row, kind: str) -> dict[str, Any]:
    return {
        "event": kind,
        "job_id": event["job_id"],
        "instance": event["instance_id"],
        "due": _text(event["due"]),
        "state": event["to_state"],
        "reason": event["event_reason"],
        "detail": event["event_detail"],
        "node": event["node"],
        "attempt": event["event_attempt"],
        "exit_code": event["exit_code"],
        "lateness_ms": event["lateness_ms"],
        "at": _text(event["at"]),
    }


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
