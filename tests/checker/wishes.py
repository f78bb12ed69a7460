"""Whether what people asked for was done, once, and nothing that nobody asked for.

P12: every request is answered, and the ledger shows what the answer says. P13: what is paused does
not run, and nothing is called paused that was not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime

from tests.checker.history import Asked, History, Paused, Row, Violation

TERMINAL = {
    "SUCCEEDED", "FAILED", "TIMED_OUT", "ENDED", "MISSED", "SKIPPED", "UPSTREAM_FAILED",
    "CANCELLED", "LOST",
}  # fmt: skip
KINDS = {"kill", "run", "skip", "retry"}

Found = Iterator[Violation]


def check_wishes(history: History) -> Iterator[Violation]:
    """Return every wish that was not heeded, and every act that nobody wished for.

    Nothing where the history does not tell what was wished.
    """
    if history.asked is None:
        return
    for judge in (_p12_answered, _p12_granted, _p12_nothing_unasked, _p13_paused):
        yield from judge(history)


def count_revivals(history: History) -> Counter[str]:
    """Count, of each job, the retries that people were granted: ways out of a terminal state."""
    return Counter(
        job for asked in history.asked or () if asked.kind == "retry" and asked.outcome == "done"
        for job in asked.jobs
    )  # fmt: skip


def _p12_answered(history: History) -> Found:
    for asked in history.asked or ():
        if asked.outcome not in {"done", "refused"}:
            yield Violation("P12", f"{asked.kind} of {asked.instance}: never answered")
        if asked.kind not in KINDS:
            yield Violation("P12", f"nobody knows what {asked.kind} means")
    for key in sorted(history.acked_asks - {asked.key for asked in history.asked or ()}):
        yield Violation("P10", f"the request {key} was acknowledged and is gone")


def _p12_granted(history: History) -> Found:
    rows = {row.job_id: row for row in history.rows}
    moves = Counter(
        move.job_id for move in history.moves
        if move.from_state in TERMINAL and move.to_state == "QUEUED"
    )  # fmt: skip
    for job, count in count_revivals(history).items():
        if moves[job] != count:
            yield Violation("P12", f"{job}: {count} retries granted, {moves[job]} made")
    for asked in history.asked or ():
        if asked.outcome == "done":
            found = [rows.get(job) for job in asked.jobs]
            yield from _granted(history, asked, found)


def _granted(history: History, asked: Asked, found: list[Row | None]) -> Found:
    name = f"{asked.kind} of {asked.instance}"
    if None in found:
        yield Violation("P12", f"{name}: granted, and there is no row")
    for row in filter(None, found):
        if asked.kind == "run" and not row.is_manual:
            yield Violation("P12", f"{name}: {row.job_id} is its schedule's, not the person's")
        if asked.kind == "kill" and row.state not in TERMINAL and not row.kill_failed:
            yield Violation("P12", f"{name}: {row.job_id} is {row.state}")
    if asked.kind == "skip":
        revived = count_revivals(history)
        same = [
            row for row in history.rows
            if (row.instance, row.due) == (asked.instance, asked.due) and not row.is_manual
        ]  # fmt: skip
        if not same:
            yield Violation("P12", f"{name}: nothing tells that {asked.due} is skipped")
        for row in same:
            if row.state != "SKIPPED" and not revived[row.job_id]:
                yield Violation("P12", f"{name}: {row.job_id} is {row.state}")


def _p12_nothing_unasked(history: History) -> Found:
    done = [asked for asked in history.asked or () if asked.outcome == "done"]
    run = {job for asked in done if asked.kind == "run" for job in asked.jobs}
    killed = {job for asked in done if asked.kind == "kill" for job in asked.jobs}
    skipped = {(asked.instance, asked.due) for asked in done if asked.kind == "skip"}
    for row in history.rows:
        if row.is_manual and row.job_id not in run:
            yield Violation("P12", f"{row.job_id} was run by hand, and nobody asked")
        if row.reason != "user":
            continue
        if row.state == "SKIPPED" and (row.instance, row.due) not in skipped:
            yield Violation("P12", f"{row.job_id} was skipped, and nobody asked")
        is_wished = row.job_id in killed or row.instance in history.deleted
        if row.state == "CANCELLED" and not is_wished:
            yield Violation("P12", f"{row.job_id} was cancelled, and nobody asked")


def _p13_paused(history: History) -> Found:
    """A due time right after a pause may have been fired before anybody noticed the pause."""
    spans: dict[str, list[Paused]] = defaultdict(list)
    for paused in history.paused:
        spans[paused.instance].append(paused)
    revived = count_revivals(history)
    ran = {run.job_id for run in history.runs}
    for row in history.rows:
        if row.is_manual or revived[row.job_id]:
            continue
        if row.reason == "paused":
            last = row.until or row.due
            if not any(one.since < row.due and last <= one.until for one in spans[row.instance]):
                yield Violation("P13", f"{row.job_id} is skipped as paused, and was not")
        if row.job_id in ran:
            for one in spans[row.instance]:
                if _noticed(history, one) < row.due <= one.until:
                    yield Violation("P13", f"{row.job_id} ran, and was paused since {one.since}")


def _noticed(history: History, paused: Paused) -> datetime:
    from_then = max(paused.since, history.calm_from or paused.since)
    return from_then + history.noticed_within
