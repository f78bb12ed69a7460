"""The checker itself, tried on good histories and on at least forty kinds of bad ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.checker.check import check, match_anonymously
from tests.checker.history import Blind, DockerRun, Due, History, Move, Row, Run

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def seconds(n: float) -> timedelta:
    return timedelta(seconds=n)


def good_history(seed: int = 0) -> History:
    """Build a history in which every promise holds, with every kind of row in it."""
    rng = random.Random(seed)
    dues: list[Due] = []
    rows: list[Row] = []
    runs: list[Run] = []
    moves: list[Move] = []

    def add(instance: str, at: float, state: str, reason: str | None, **more: object) -> Row:
        due = NOON + seconds(at)
        ordinal = int(more.get("ordinal", 0))  # type: ignore[call-overload]
        job = f"{instance}.{at:g}.{ordinal}"
        stop = due + seconds(30)
        dues.append(
            Due(instance, due, ordinal, stop, standalone=bool(more.get("standalone")),
                parents=more.get("parents", ()))  # type: ignore[arg-type]
        )  # fmt: skip
        started = due + seconds(rng.uniform(0, 1)) if "path" not in more else None
        ended = stop if state == "ENDED" else due + seconds(rng.uniform(5, 20))
        node = str(more.get("node", "m1")) if started else None
        path = more.get("path") or ["QUEUED", "STARTING", "RUNNING", state]
        row = Row(
            job, instance, due, ordinal, state, reason, 1, node, started,
            ended, seen_at=ended + seconds(0.1),
        )  # fmt: skip
        rows.append(row)
        if started:
            runs.append(Run(job, 1, f"c-{job}", node or "", started, ended))
        for before, after in zip([None, *path], path, strict=False):  # type: ignore[misc]
            moves.append(Move(job, before, after))
        return row

    for k in range(rng.randint(1, 3)):
        add("a", 100 * k, "ENDED", "duration")
        parent = add("b", 100 * k + 1, "SUCCEEDED", None, node="m2")
        add("child", 100 * k + 22, "FAILED", "exit_code", node="m2", parents=(parent.job_id,))
        add("pair", 100 * k, "SUCCEEDED", None, ordinal=0)
        add("pair", 100 * k, "SUCCEEDED", None, ordinal=1, node="m2")
        add("alone", 100 * k, "ENDED", "duration", standalone=True, node="m3")
    add("missed", 5, "MISSED", "downtime", path=["MISSED"])
    add("skipped", 6, "SKIPPED", "overlap", path=["SKIPPED"])
    add("upstream", 7, "UPSTREAM_FAILED", "dep_failed", path=["WAITING", "UPSTREAM_FAILED"])
    add("cancelled", 8, "CANCELLED", "user", path=["QUEUED", "CANCELLED"])
    dues.extend(Due("stretch", NOON + seconds(k)) for k in range(10))
    rows.append(
        Row("stretch.0.0", "stretch", NOON, 0, "MISSED", "downtime", count=10,
            until=NOON + seconds(9))
    )  # fmt: skip
    docker = tuple(
        DockerRun(r.job_id, r.attempt, r.container, r.node, r.started_at, r.ended_at) for r in runs
    )
    return History(
        tuple(dues), tuple(rows), tuple(runs), docker, tuple(moves), NOON + seconds(3600),
        frozenset({"a", "b"}), frozenset({"a", "b", "child"}),
    )  # fmt: skip


def job_of(history: History, instance: str) -> Row:
    return next(row for row in history.rows if row.instance == instance)


def with_row(instance: str, **change: object) -> Callable[[History], History]:
    def apply(h: History) -> History:
        target = job_of(h, instance)
        return replace(
            h, rows=tuple(replace(r, **change) if r is target else r for r in h.rows)
        )  # type: ignore[arg-type]

    return apply


def with_runs(instance: str, change: Callable[[Run], Run], *, docker: bool = True) -> object:
    def apply(h: History) -> History:
        job = job_of(h, instance).job_id
        runs = tuple(change(r) if r.job_id == job else r for r in h.runs)
        told = {r.container: r for r in runs}
        seen = tuple(
            replace(d, started_at=told[d.container].started_at, died_at=told[d.container].ended_at,
                    node=told[d.container].node)
            if docker and d.container in told else d
            for d in h.docker
        )  # fmt: skip
        return replace(h, runs=runs, docker=seen)

    return apply


def dropping(what: str, instance: str) -> Callable[[History], History]:
    def apply(h: History) -> History:
        job = job_of(h, instance).job_id
        kept = tuple(x for x in getattr(h, what) if x.job_id != job)
        return replace(h, **{what: kept})

    return apply


def second_container(instance: str, node: str, *, attempt: int = 1) -> Callable[[History], History]:
    def apply(h: History) -> History:
        job = job_of(h, instance).job_id
        run = next(r for r in h.runs if r.job_id == job)
        seen = next(d for d in h.docker if d.job_id == job)
        twin = replace(run, container="twin", node=node, attempt=attempt)
        twin_seen = replace(seen, container="twin", node=node, attempt=attempt)
        return replace(h, runs=(*h.runs, twin), docker=(*h.docker, twin_seen))

    return apply


def moving(job_instance: str, *states: str) -> Callable[[History], History]:
    def apply(h: History) -> History:
        job = job_of(h, job_instance).job_id
        others = tuple(m for m in h.moves if m.job_id != job)
        chain = tuple(Move(job, a, b) for a, b in zip([None, *states], states, strict=False))
        return replace(h, moves=others + chain)

    return apply


def foreign_run(h: History) -> History:
    run = Run("ghost.0.0", 1, "ghost", "m1", NOON, NOON + seconds(1))
    seen = DockerRun("ghost.0.0", 1, "ghost", "m1", NOON, NOON + seconds(1))
    return replace(h, runs=(*h.runs, run), docker=(*h.docker, seen))


def doubled_row(h: History) -> History:
    return replace(h, rows=(*h.rows, replace(job_of(h, "a"), job_id="again")))


def no_gap(h: History) -> History:
    job = job_of(h, "a").job_id
    moves = tuple(m for m in h.moves if not (m.job_id == job and m.to_state == "STARTING"))
    return replace(h, moves=moves)


def still_running(instance: str) -> Callable[[History], History]:
    def apply(h: History) -> History:
        job = job_of(h, instance).job_id
        docker = tuple(replace(d, died_at=None) if d.job_id == job else d for d in h.docker)
        return replace(h, docker=docker)

    return apply


def to_node(node: str) -> Callable[[Run], Run]:
    return lambda run: replace(run, node=node)


def shifted(by: float) -> Callable[[Run], Run]:
    return lambda r: replace(
        r, started_at=r.started_at + seconds(by),
        ended_at=None if r.ended_at is None else r.ended_at + seconds(by),
    )  # fmt: skip


def relabelled(instance: str, other: str) -> Callable[[History], History]:
    """Let a run bear the label of another instance's job."""

    def apply(h: History) -> History:
        job, wrong = job_of(h, instance).job_id, job_of(h, other).job_id
        runs = tuple(replace(r, job_id=wrong) if r.job_id == job else r for r in h.runs)
        docker = tuple(replace(d, job_id=wrong) if d.job_id == job else d for d in h.docker)
        return replace(h, runs=runs, docker=docker)

    return apply


BAD: dict[str, tuple[str, object]] = {
    "row dropped": ("P1", dropping("rows", "a")),
    "missed row dropped": ("P1", dropping("rows", "missed")),
    "skipped row dropped": ("P1", dropping("rows", "skipped")),
    "upstream row dropped": ("P1", dropping("rows", "upstream")),
    "cancelled row dropped": ("P1", dropping("rows", "cancelled")),
    "one ordinal dropped": ("P1", dropping("rows", "pair")),
    "stretch dropped": ("P1", dropping("rows", "stretch")),
    "stretch too short": ("P1", with_row("stretch", until=NOON + seconds(8))),
    "stretch of a live state": ("P1", with_row("stretch", state="QUEUED")),
    "ended without reason": ("P1", with_row("a", reason=None)),
    "missed without reason": ("P1", with_row("missed", reason=None)),
    "success, and nothing ran": ("P1", lambda h: dropping("docker", "b")(dropping("runs", "b")(h))),
    "end, and nothing ran": ("P1", lambda h: dropping("docker", "a")(dropping("runs", "a")(h))),
    "exit code of nothing": (
        "P1", lambda h: dropping("docker", "child")(dropping("runs", "child")(h)),
    ),
    "missed, and yet it ran": ("P1", with_row("a", state="MISSED", reason="downtime")),
    "skipped, and yet it ran": ("P1", with_row("b", state="SKIPPED", reason="overlap")),
    "live long after its stop": ("P1", with_row("a", state="STOPPING", reason=None)),
    "end told too late": ("P1", with_row("a", seen_at=NOON + seconds(55))),
    "second container, same node": ("P2", second_container("a", "m1")),
    "second container, other node": ("P2", second_container("a", "m2")),
    "attempts overlap": ("P2", second_container("a", "m1", attempt=2)),
    "attempt nobody asked for": ("P2", second_container("b", "m2", attempt=3)),
    "run without a row": ("P2", foreign_run),
    "row without Docker's witness": ("P2", dropping("docker", "a")),
    "Docker run without witness": ("P2", dropping("runs", "b")),
    "ledger names another node": ("P2", with_row("a", node="m9")),
    "early by a second": ("P3", with_runs("a", shifted(-2))),
    "early by a minute": ("P3", with_runs("b", shifted(-60))),
    "witness and Docker disagree": ("P3", with_runs("b", shifted(8), docker=False)),
    "killed too late": ("P4", with_runs("a", lambda r: replace(r, ended_at=NOON + seconds(43)))),
    "kill swallowed": ("P4", still_running("a")),
    "started after its stop": ("P4", with_runs("b", shifted(35))),
    "stranger on a standalone's node": ("P5", with_runs("a", to_node("m3"))),
    "standalone on a busy node": ("P5", with_runs("alone", to_node("m1"))),
    "child before its parent's end": ("P6", with_runs("child", shifted(-20))),
    "child of a parent without end": ("P6", with_row("b", ended_at=None)),
    "child of a running parent": ("P6", with_row("b", state="RUNNING")),
    "child without its parent's row": ("P6", dropping("rows", "b")),
    "row twice": ("P7", doubled_row),
    "job id twice": ("P7", lambda h: replace(h, rows=(*h.rows, job_of(h, "b")))),
    "orphan after its end": ("P8", still_running("child")),
    "orphan of a cancelled job": ("P8", lambda h: still_running("b")(
        with_row("b", state="CANCELLED", reason="user")(h))),
    "running in the ledger only": ("P8", with_row("b", state="RUNNING")),
    "resurrected terminal": ("P9", moving("a", "QUEUED", "STARTING", "RUNNING", "ENDED", "RUNNING")),
    "terminal changed": ("P9", moving("missed", "MISSED", "SUCCEEDED")),
    "move backwards": ("P9", moving("a", "QUEUED", "RUNNING", "STARTING", "ENDED")),
    "born running": ("P9", moving("a", "RUNNING", "ENDED")),
    "ran, then missed": ("P9", moving("missed", "QUEUED", "STARTING", "RUNNING", "MISSED")),
    "unknown state": ("P9", moving("a", "QUEUED", "LIMBO", "ENDED")),
    "move unrecorded": ("P9", no_gap),
    "row without any move": ("P9", dropping("moves", "a")),
    "acked upload lost": ("P10", lambda h: replace(h, stored=frozenset({"a"}))),
    "row of another instance's run": ("P2", relabelled("b", "a")),
    "more told than due": ("P11", with_row("missed", count=2)),
    "less told than due": ("P11", with_row("stretch", count=9)),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_history_is_rejected_for_its_own_reason(name: str) -> None:
    promise, spoil = BAD[name]
    found = {violation.promise for violation in check(spoil(good_history()))}  # type: ignore[operator]
    assert promise in found


@pytest.mark.parametrize(
    "spoil",
    [relabelled("b", "a"), second_container("a", "m2"), with_runs("a", shifted(-2)),
     with_runs("b", shifted(35)), foreign_run],
)  # fmt: skip
def test_runs_are_matched_without_believing_their_labels(spoil: object) -> None:
    violations = check(spoil(good_history()))  # type: ignore[operator]
    assert any("windows of their own" in violation.text for violation in violations)


def test_a_late_stop_is_excused_while_nobody_looked_after_the_machine() -> None:
    late = with_runs("a", lambda r: replace(r, ended_at=NOON + seconds(43)))(good_history())  # type: ignore[operator]

    def promises(*blind: Blind) -> set[str]:
        return {violation.promise for violation in check(replace(late, blind=blind))}

    assert "P4" in promises()
    assert "P4" in promises(Blind("m2", NOON, NOON + seconds(60)))
    assert "P4" in promises(Blind("m1", NOON, NOON + seconds(29)))
    assert "P4" not in promises(Blind("m1", NOON + seconds(20), NOON + seconds(35)))


def test_a_frozen_client_may_start_what_was_over_meanwhile_but_nobody_else_may() -> None:
    begun, ended = NOON + seconds(31), NOON + seconds(35)
    spoil = with_runs("a", lambda run: replace(run, started_at=begun, ended_at=ended))
    late = spoil(good_history())  # type: ignore[operator]

    def promises(until: float) -> set[str]:
        blind = (Blind("m1", NOON, NOON + seconds(until)),)
        return {violation.promise for violation in check(replace(late, blind=blind))}

    assert not promises(31) & {"P2", "P4"}
    assert {"P2", "P4"} <= promises(29)


def test_after_faults_an_end_may_be_told_later() -> None:
    late = with_row("a", seen_at=NOON + seconds(200))(good_history())
    assert "P1" in {v.promise for v in check(replace(late, calm_from=NOON + seconds(160)))}
    assert check(replace(late, calm_from=NOON + seconds(175))) == []


def test_there_are_at_least_forty_kinds_of_bad_history() -> None:
    assert len(BAD) >= 40


def test_a_thousand_good_histories_are_accepted() -> None:
    for seed in range(1000):
        assert check(good_history(seed)) == []


def test_a_late_kill_is_forgiven_when_it_was_raised_as_failed() -> None:
    late = with_runs("a", lambda r: replace(r, ended_at=NOON + seconds(43)))(good_history())  # type: ignore[operator]
    assert "P4" not in {v.promise for v in check(with_row("a", kill_failed=True)(late))}


@pytest.mark.parametrize(
    ("starts", "windows", "most"),
    [
        ([1, 2], [(0, 10), (0, 2)], 2),
        ([1, 1], [(0, 2)], 1),
        ([5], [(0, 2)], 0),
        ([3, 1, 2], [(0, 1), (0, 2), (0, 3)], 3),
        ([1, 5], [(4, 6), (0, 9)], 2),
        ([], [(0, 1)], 0),
    ],
)
def test_anonymous_matching_pairs_as_many_as_can_be(
    starts: list[int], windows: list[tuple[int, int]], most: int
) -> None:
    at = [NOON + seconds(s) for s in starts]
    spans = [(NOON + seconds(a), NOON + seconds(b)) for a, b in windows]
    assert match_anonymously(at, spans) == most
