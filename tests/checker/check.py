"""The checker: a pure function from a history to the promises it breaks (guarantees.md, 4).

After Jepsen's Chronos test, but stricter: a second run is a failure. It shares no code with the
platform, its table of legal moves included, so that an error there is not repeated here.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from tests.checker.history import Due, History, Row, Run, Violation
from tests.checker.wishes import check_wishes, count_revivals

RAN = {"SUCCEEDED", "FAILED", "TIMED_OUT", "ENDED"}
NEVER_RAN = {"MISSED", "SKIPPED", "UPSTREAM_FAILED"}
TERMINAL = RAN | NEVER_RAN | {"CANCELLED", "LOST"}
LIVE = {"PLANNED", "WAITING", "QUEUED", "STARTING", "RUNNING", "STOPPING", "UNKNOWN"}
UNSTARTED = NEVER_RAN | {"CANCELLED", "FAILED", "QUEUED"}
LEGAL: dict[str | None, set[str]] = {
    None: NEVER_RAN | {"PLANNED", "WAITING", "QUEUED", "CANCELLED"},
    "PLANNED": UNSTARTED | {"WAITING", "STARTING"},
    "WAITING": UNSTARTED | {"STARTING"},
    # A container's whole life may pass between two reports, so QUEUED may see its end at once.
    "QUEUED": (TERMINAL - {"UPSTREAM_FAILED"}) | {"STARTING", "RUNNING", "STOPPING"},
    # Back to QUEUED: a retry, or moved away from a node that is proved gone.
    "STARTING": TERMINAL - {"UPSTREAM_FAILED"} | {"QUEUED", "RUNNING", "STOPPING", "UNKNOWN"},
    "RUNNING": RAN | {"CANCELLED", "LOST", "QUEUED", "STOPPING", "UNKNOWN"},
    "STOPPING": TERMINAL - {"UPSTREAM_FAILED", "SKIPPED"} | {"UNKNOWN"},
    # A lost node that comes back may turn out never to have started it.
    "UNKNOWN": RAN | {"CANCELLED", "LOST", "MISSED", "QUEUED", "STARTING", "RUNNING", "STOPPING"},
}
VISIBLE_WITHIN = timedelta(seconds=10)
STOP_SLACK = timedelta(seconds=2)
WITNESS_SLACK = timedelta(seconds=5)
CONVERGED_WITHIN = timedelta(seconds=30)
FROZEN_CALL = timedelta(seconds=1)

Found = Iterator[Violation]


def check(history: History) -> list[Violation]:
    """Return every promise the history breaks; a good history gives none."""
    judges = (
        _p1_every_due_has_its_row, _p2_one_container_per_attempt, _p3_never_early,
        _p4_stop_times_hold, _p5_standalone_is_alone, _p6_parents_first, _p7_ordinals_once,
        _p8_converged, _p9_legal_moves, _p10_acked_is_stored, _p11_balance, _witnesses_agree,
        _anonymous_runs_fit,
    )  # fmt: skip
    found = [violation for judge in judges for violation in judge(history)]
    return [*found, *check_wishes(history)]


def match_anonymously(
    starts: Sequence[datetime], windows: Sequence[tuple[datetime, datetime]]
) -> int:
    """Return the most runs that can be paired with windows [from, to], one each.

    Runs by time, open windows in a heap by their end, each run to the earliest-ending open window:
    a maximum matching for points in intervals.
    """
    waiting = sorted(windows)
    open_ends: list[datetime] = []
    matched = next_window = 0
    for start in sorted(starts):
        while next_window < len(waiting) and waiting[next_window][0] <= start:
            heapq.heappush(open_ends, waiting[next_window][1])
            next_window += 1
        while open_ends and open_ends[0] < start:
            heapq.heappop(open_ends)
        if open_ends:
            heapq.heappop(open_ends)
            matched += 1
    return matched


def _p1_every_due_has_its_row(history: History) -> Found:
    runs = _runs_by_job(history)
    by_key: dict[tuple[str, datetime, int], list[Row]] = defaultdict(list)
    for row in history.rows:
        by_key[row.instance, row.due, row.ordinal].append(row)
    stretches = [row for row in history.rows if row.until is not None]
    for due in history.dues:
        found = by_key.get((due.instance, due.due, due.ordinal), [])
        if not found and not any(_covers(row, due) for row in stretches):
            yield Violation("P1", f"{due.instance} due {due.due} ordinal {due.ordinal}: no row")
        for row in found:
            yield from _p1_ran(row, runs.get(row.job_id, []))
            yield from _p1_told_in_time(row, due, history)


def _p1_ran(row: Row, runs: list[Run]) -> Found:
    name = f"{row.job_id} is {row.state}"
    if row.state in TERMINAL - {"SUCCEEDED"} and row.reason is None:
        yield Violation("P1", f"{name} without a reason")
    if row.state in RAN - {"FAILED"} and not runs:
        yield Violation("P1", f"{name}, and nothing ran")
    if row.state == "FAILED" and row.reason in {"exit_code", "oom"} and not runs:
        yield Violation("P1", f"{name} with {row.reason}, and nothing ran")
    if row.state in NEVER_RAN and runs:
        yield Violation("P1", f"{name}, and yet it ran on {runs[0].node}")


def _p1_told_in_time(row: Row, due: Due, history: History) -> Found:
    """After faults the platform has 30 s to come round (G10)."""
    if due.stop_at is None:
        return
    name = f"{row.job_id} is {row.state}"
    deadline = due.stop_at + timedelta(seconds=due.grace_s) + VISIBLE_WITHIN
    if history.calm_from is not None:
        deadline = max(deadline, history.calm_from + CONVERGED_WITHIN)
    if row.state not in TERMINAL and not row.kill_failed and history.observed_until > deadline:
        yield Violation("P1", f"{name} after its stop time {due.stop_at}")
    if row.state in TERMINAL and row.seen_at is not None and row.seen_at > deadline:
        yield Violation("P1", f"{name}, told only at {row.seen_at}")


def _p2_one_container_per_attempt(history: History) -> Found:
    for what, seen in (("witness", history.runs), ("docker", history.docker)):
        containers: dict[tuple[str, int], set[str]] = defaultdict(set)
        for run in seen:
            containers[run.job_id, run.attempt].add(f"{run.node}/{run.container}")
        for (job, attempt), names in containers.items():
            if len(names) > 1:
                yield Violation("P2", f"{job} attempt {attempt}: {sorted(names)} ({what})")
    known = {row.job_id: row for row in history.rows}
    deaths = {run.container: run.died_at for run in history.docker}
    for job, runs in _runs_by_job(history).items():
        row = known.get(job)
        if row is None:
            yield Violation("P2", f"{job} ran on {runs[0].node} and no row asked for it")
        elif max(run.attempt for run in runs) > row.attempt:
            yield Violation("P2", f"{job} ran attempt {max(run.attempt for run in runs)} unasked")
        ended = [_with_death(run, deaths) for run in runs]
        for earlier, later in _overlapping(ended, history.observed_until):
            if earlier.attempt != later.attempt:
                yield Violation("P2", f"{job}: attempts overlap at {later.started_at}")


def _with_death(run: Run, deaths: Mapping[str, datetime | None]) -> Run:
    """A container that was killed could not write its end down; Docker saw it."""
    return run if run.ended_at else replace(run, ended_at=deaths.get(run.container))


def _p3_never_early(history: History) -> Found:
    dues = {row.job_id: row.due for row in history.rows}
    for run in (*history.runs, *history.docker):
        due = dues.get(run.job_id)
        if due is not None and run.started_at < due:
            yield Violation("P3", f"{run.job_id} started at {run.started_at}, due {due}")


def _p4_stop_times_hold(history: History) -> Found:
    asked = _due_by_job(history)
    for run in history.docker:
        found = asked.get(run.job_id)
        if found is None or found[1].stop_at is None or found[0].kill_failed:
            continue
        grace = timedelta(seconds=found[1].grace_s) + STOP_SLACK
        limit = _end_of_blindness(history, run.node, found[1].stop_at, grace) + grace
        if (run.died_at or history.observed_until) > limit:
            yield Violation("P4", f"{run.job_id} still ran after {limit}")
        if run.started_at >= _last_start(history, found[1].stop_at, run.node):
            yield Violation("P4", f"{run.job_id} started at or after its stop time")


def _last_start(history: History, stop_at: datetime, node: str | None = None) -> datetime:
    """A client frozen between its decision and its call to Docker starts what is over by then."""
    spans = [blind for blind in history.blind if node in (None, blind.node)]
    thaws = [blind.until for blind in spans if blind.since < stop_at <= blind.until]
    return max(thaws, default=stop_at - FROZEN_CALL) + FROZEN_CALL


def _end_of_blindness(
    history: History, node: str, stop_at: datetime, grace: timedelta
) -> datetime:
    """When somebody looked after the node again, so that the stop could be made."""
    for blind in sorted(history.blind, key=lambda one: one.since):
        if blind.node == node and blind.since <= stop_at + grace and blind.until > stop_at:
            stop_at = blind.until
    return stop_at


def _p5_standalone_is_alone(history: History) -> Found:
    alone = {job for job, (_, due) in _due_by_job(history).items() if due.standalone}
    by_node: dict[str, list[Run]] = defaultdict(list)
    for run in history.docker:
        by_node[run.node].append(
            Run(run.job_id, run.attempt, run.container, run.node, run.started_at, run.died_at)
        )
    for node, runs in by_node.items():
        for one, other in _overlapping(runs, history.observed_until):
            if one.job_id != other.job_id and (one.job_id in alone or other.job_id in alone):
                yield Violation("P5", f"{one.job_id} and {other.job_id} together on {node}")


def _p6_parents_first(history: History) -> Found:
    rows = {row.job_id: row for row in history.rows}
    runs = _runs_by_job(history)
    revived = count_revivals(history)  # their first ends are not in the ledger any more
    for job, (_, due) in _due_by_job(history).items():
        for parent in due.parents:
            row = rows.get(parent) or _stretch_over(history, parent.partition(".")[0], due.due)
            if revived[parent] or revived[job]:
                continue
            for run in runs.get(job, []):
                if row is None or row.ended_at is None or row.state not in TERMINAL:
                    yield Violation("P6", f"{job} ran and its parent {parent} has not ended")
                elif run.started_at < row.ended_at:
                    yield Violation("P6", f"{job} ran before its parent {parent} ended")


def _p7_ordinals_once(history: History) -> Found:
    keys = Counter((row.instance, row.due, row.ordinal) for row in history.rows)
    ids = Counter(row.job_id for row in history.rows)
    yield from (Violation("P7", f"{key}: {n} rows") for key, n in keys.items() if n > 1)
    yield from (Violation("P7", f"{job}: {n} rows") for job, n in ids.items() if n > 1)


def _p8_converged(history: History) -> Found:
    rows = {row.job_id: row for row in history.rows}
    living = {(run.job_id, run.attempt) for run in history.docker if run.died_at is None}
    for job, attempt in living:
        row = rows.get(job)
        if row is None or row.state in TERMINAL or row.attempt != attempt:
            yield Violation("P8", f"{job} attempt {attempt} is an orphan")
    for row in history.rows:
        if row.state == "RUNNING" and (row.job_id, row.attempt) not in living:
            yield Violation("P8", f"{row.job_id} is RUNNING in the ledger only")


def _p9_legal_moves(history: History) -> Found:
    present: dict[str, str | None] = {}
    granted = count_revivals(history)
    for move in history.moves:
        before = present.get(move.job_id)
        if move.from_state != before:
            yield Violation("P9", f"{move.job_id}: {before} became {move.from_state} unrecorded")
        is_revival = move.from_state in TERMINAL and move.to_state == "QUEUED"
        if is_revival and granted[move.job_id] > 0:
            granted[move.job_id] -= 1
        elif not _is_legal(move.from_state, move.to_state):
            yield Violation("P9", f"{move.job_id}: {move.from_state} → {move.to_state}")
        present[move.job_id] = move.to_state
    for row in history.rows:
        if row.until is None and present.get(row.job_id) != row.state:
            yield Violation("P9", f"{row.job_id}: {row.state} has no recorded move")


def _p10_acked_is_stored(history: History) -> Found:
    for instance in sorted(history.acked - history.stored):
        yield Violation("P10", f"{instance} was acknowledged and is gone")


def _p11_balance(history: History) -> Found:
    asked = Counter(due.instance for due in history.dues)
    told: Counter[str] = Counter()
    for row in history.rows:
        told[row.instance] += row.count
    for instance in sorted(asked.keys() | told.keys()):
        if asked[instance] != told[instance]:
            yield Violation("P11", f"{instance}: {asked[instance]} due, {told[instance]} told")


def _witnesses_agree(history: History) -> Found:
    docker = {run.container: run for run in history.docker}
    told = {run.container for run in history.runs}
    for run in history.runs:
        other = docker.get(run.container)
        if other is None or (other.job_id, other.attempt) != (run.job_id, run.attempt):
            yield Violation("P2", f"{run.job_id}: container {run.container} unknown to Docker")
        elif abs(other.started_at - run.started_at) > WITNESS_SLACK:
            yield Violation("P3", f"{run.job_id}: witness and Docker disagree on its start")
    for name in sorted(docker.keys() - told):
        yield Violation("P2", f"{docker[name].job_id}: container {name} left no witness")
    for row in history.rows:
        same = [r for r in history.docker if (r.job_id, r.attempt) == (row.job_id, row.attempt)]
        if same and row.node is not None and same[0].node != row.node:
            yield Violation("P2", f"{row.job_id} ran on {same[0].node}, the ledger says {row.node}")


def _anonymous_runs_fit(history: History) -> Found:
    """Without believing any label but the instance: each run has a window of its own to start in.

    A window opens at a due time and closes at its stop time, once for each attempt the ledger tells.
    """
    attempts = {(row.instance, row.due, row.ordinal): row.attempt for row in history.rows}
    windows: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    for due in history.dues:
        end = history.observed_until
        if due.stop_at is not None:
            end = _last_start(history, due.stop_at)
        times = attempts.get((due.instance, due.due, due.ordinal), 1)
        windows[due.instance] += [(due.due, end)] * times
    starts: dict[str, list[datetime]] = defaultdict(list)
    for run in history.runs:
        starts[run.job_id.partition(".")[0]].append(run.started_at)
    for instance, moments in sorted(starts.items()):
        matched = match_anonymously(moments, windows[instance])
        if matched < len(moments):
            text = f"{instance}: {len(moments)} runs, {matched} of them in windows of their own"
            yield Violation("P2", text)


def _is_legal(from_state: str | None, to_state: str) -> bool:
    return to_state in LEGAL.get(from_state, set())


def _stretch_over(history: History, instance: str, due: datetime) -> Row | None:
    asked = Due(instance, due)
    return next((row for row in history.rows if _covers(row, asked)), None)


def _covers(row: Row, due: Due) -> bool:
    same = row.instance == due.instance and row.state in NEVER_RAN
    return same and row.until is not None and row.due <= due.due <= row.until


def _runs_by_job(history: History) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = defaultdict(list)
    for run in history.runs:
        runs[run.job_id].append(run)
    return runs


def _due_by_job(history: History) -> dict[str, tuple[Row, Due]]:
    dues = {(due.instance, due.due, due.ordinal): due for due in history.dues}
    keyed = ((row, dues.get((row.instance, row.due, row.ordinal))) for row in history.rows)
    return {row.job_id: (row, due) for row, due in keyed if due is not None}


def _overlapping(runs: Iterable[Run], observed_until: datetime) -> Iterator[tuple[Run, Run]]:
    """Yield pairs of runs that share time, the earlier first."""
    active: list[Run] = []
    for run in sorted(runs, key=lambda one: one.started_at):
        active = [one for one in active if (one.ended_at or observed_until) > run.started_at]
        yield from ((one, run) for one in active)
        active.append(run)
