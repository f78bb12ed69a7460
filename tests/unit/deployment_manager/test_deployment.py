"""A deployment under every order of news: a stop always wins, an end never changes."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from common.jobs import Reason
from common.messages import (
    ContainerChanged,
    ContainerState,
    DeploymentState,
    RunSpec,
    StartJob,
    StopCause,
)
from deployment_manager.domain.deployment import (
    Deployment,
    Placing,
    expire,
    kill,
    move,
    place,
    tombstone,
    wait_for_node,
)
from deployment_manager.domain.news import (
    apply_container,
    find_missing,
    give_up_node,
    lose_node,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
D = DeploymentState


def start(**more: object) -> StartJob:
    fields: dict[str, object] = {
        "job_id": "a.1.0", "attempt": 1, "instance_id": "a", "due": NOW, "ordinal": 0,
        "start_by": NOW + timedelta(hours=1), "stop_at": NOW + timedelta(minutes=5),
        "stop_reason": Reason.DURATION, "spec": RunSpec(image="i"),
    }  # fmt: skip
    return StartJob(**(fields | more))  # type: ignore[arg-type]


def pending(**more: object) -> Deployment:
    return Deployment("a.1.0", 1, start(**more))


def placed(**more: object) -> Deployment:
    return place(pending(**more), Placing("m1", 0.1, ()), NOW)


def news(state: ContainerState, cause: StopCause | None = None, **more: object) -> ContainerChanged:
    fields: dict[str, object] = {
        "node_id": "m1", "job_id": "a.1.0", "attempt": 1, "epoch": 1, "state": state,
        "stop_cause": cause,
    }  # fmt: skip
    return ContainerChanged(**(fields | more))  # type: ignore[arg-type]


def running(**more: object) -> Deployment:
    after = apply_container(placed(**more), news(ContainerState.RUNNING, started_at=NOW), NOW)
    assert after is not None
    return after


C = ContainerState
ENDS = [
    (news(C.EXITED, exit_code=0), D.SUCCEEDED, None),
    (news(C.EXITED, exit_code=3), D.FAILED, Reason.EXIT_CODE),
    (news(C.EXITED, exit_code=137, oom_killed=True), D.FAILED, Reason.OOM),
    (news(C.EXITED, StopCause.DEADLINE, exit_code=143), D.ENDED, Reason.DURATION),
    (news(C.EXITED, StopCause.TIMEOUT, exit_code=143), D.TIMED_OUT, Reason.TIMEOUT),
    (news(C.GONE), D.LOST, Reason.NODE_LOST),
]


@pytest.mark.parametrize(("told", "state", "reason"), ENDS)
def test_an_end_becomes_its_state_and_reason(
    told: ContainerChanged, state: DeploymentState, reason: Reason | None
) -> None:
    after = apply_container(running(), told, NOW)
    assert after is not None
    assert (after.state, after.reason) == (state, reason)
    assert apply_container(after, news(C.RUNNING), NOW) is None


@pytest.mark.parametrize(
    ("cause", "state", "reason"),
    [
        (StopCause.PULL_FAILED, D.FAILED, Reason.PULL_FAILED),
        (StopCause.CREATE_FAILED, D.FAILED, Reason.EXIT_CODE),
        (StopCause.EXPIRED, D.MISSED, Reason.START_DEADLINE),
    ],
)
def test_a_refusal_becomes_its_state_and_reason(
    cause: StopCause, state: DeploymentState, reason: Reason
) -> None:
    after = apply_container(placed(), news(C.REFUSED, cause), NOW)
    assert after is not None
    assert (after.state, after.reason) == (state, reason)


def test_an_old_epoch_and_a_strange_node_say_nothing() -> None:
    assert apply_container(placed(), news(C.EXITED, epoch=0), NOW) is None
    assert apply_container(placed(), news(C.EXITED, node_id="m2"), NOW) is None


@pytest.mark.parametrize(
    ("wish", "state"), [(Reason.USER, D.CANCELLED), (Reason.DURATION, D.MISSED)]
)
def test_a_kill_before_the_start_ends_it_at_once(wish: Reason, state: DeploymentState) -> None:
    after = kill(pending(), wish, NOW)
    assert after is not None
    assert after.state is state
    grave = tombstone("a.1.0", 1, wish, NOW)
    assert grave.state is state
    assert not grave.is_live


@pytest.mark.parametrize(("wish", "state"), [(Reason.USER, D.CANCELLED), (Reason.END_TIME, D.ENDED)])
def test_a_kill_of_a_running_one_waits_for_its_node(wish: Reason, state: DeploymentState) -> None:
    stopping = kill(running(), wish, NOW)
    assert stopping is not None
    assert stopping.state is D.STOPPING
    after = apply_container(stopping, news(C.EXITED, StopCause.COMMAND, exit_code=143), NOW)
    assert after is not None
    assert (after.state, after.reason) == (state, wish)


def test_what_may_no_longer_start_is_missed() -> None:
    closed = expire(pending(), NOW + timedelta(minutes=5))
    late = expire(pending(stop_at=None), NOW + timedelta(hours=1))
    assert closed is not None
    assert late is not None
    assert (closed.reason, late.reason) == (Reason.WINDOW_CLOSED, Reason.START_DEADLINE)
    assert expire(pending(), NOW) is None


def test_why_no_node_fits_is_told_once() -> None:
    first = wait_for_node(pending(), {"m1": "not active"})
    assert first is not None
    assert wait_for_node(first, {"m1": "not active"}) is None


@pytest.mark.parametrize(("policy", "state"), [("wait", D.UNKNOWN), ("fail", D.LOST)])
def test_a_lost_node_leaves_its_jobs_to_their_policy(policy: str, state: DeploymentState) -> None:
    after = lose_node(placed(on_node_lost=policy), NOW)
    assert after is not None
    assert after.state is state


def test_a_job_moves_only_when_its_client_has_confirmed_that_it_is_gone() -> None:
    lost = lose_node(running(on_node_lost="reschedule"), NOW)
    assert lost is not None
    assert (lost.state, lost.node) == (D.UNKNOWN, "m1")
    revoked = find_missing(lost, NOW)
    assert revoked is not None
    assert (revoked.node, revoked.is_moving, revoked.is_stop_wanted) == ("m1", True, True)
    assert find_missing(revoked, NOW) is None
    ended = apply_container(revoked, news(C.GONE, StopCause.COMMAND), NOW)
    assert ended is not None
    assert (ended.state, ended.reason) == (D.LOST, Reason.NODE_LOST), "the next one is an attempt of its own"


def test_an_attempt_that_never_ran_goes_on_elsewhere() -> None:
    moving = move(placed(on_node_lost="reschedule"), "its node is drained")
    assert moving is not None
    moved = apply_container(moving, news(C.GONE, StopCause.COMMAND), NOW)
    assert moved is not None
    assert (moved.state, moved.node, moved.avoid) == (D.PENDING, None, "m1")
    assert place(moved, Placing("m2", 0.1, ()), NOW).epoch == 2


@pytest.mark.parametrize("policy", ["wait", "fail", "reschedule"])
def test_a_start_that_was_not_confirmed_is_not_missing(policy: str) -> None:
    assert find_missing(placed(on_node_lost=policy), NOW + timedelta(minutes=4)) is None
    over = find_missing(placed(on_node_lost=policy), NOW + timedelta(minutes=5))
    assert over is not None
    assert over.state is D.MISSED


def test_an_operator_who_removes_a_node_says_that_nothing_runs_there() -> None:
    moved = give_up_node(placed(on_node_lost="reschedule"), NOW)
    assert moved is not None
    assert (moved.state, moved.avoid) == (D.PENDING, "m1")
    for policy in ("wait", "reschedule"):
        lost = give_up_node(running(on_node_lost=policy), NOW)
        assert lost is not None
        assert lost.state is D.LOST


def test_a_stale_answer_says_nothing() -> None:
    assert apply_container(placed(), news(C.REFUSED, StopCause.STALE), NOW) is None


def test_a_kill_wins_over_a_move() -> None:
    moving = move(running(), "drained")
    assert moving is not None
    stopping = kill(moving, Reason.USER, NOW)
    assert stopping is not None
    after = apply_container(stopping, news(C.EXITED, StopCause.COMMAND, exit_code=143), NOW)
    assert after is not None
    assert after.state is D.CANCELLED
    assert move(stopping, "drained") is None


def test_ten_thousand_orders_of_news_never_break_a_promise() -> None:
    rng = random.Random(7)
    told = [
        news(C.RUNNING, started_at=NOW), news(C.RUNNING, started_at=NOW),
        news(C.EXITED, exit_code=0), news(C.EXITED, StopCause.COMMAND, exit_code=143),
        news(C.REFUSED, StopCause.COMMAND), news(C.GONE), news(C.EXITED, epoch=0),
    ]  # fmt: skip
    for _ in range(10_000):
        deployment, wished = placed(), False
        steps = [*rng.sample(told, rng.randint(1, len(told))), Reason.USER]
        rng.shuffle(steps)
        for step in steps:
            before = deployment
            after = (
                kill(before, step, NOW) if isinstance(step, Reason)
                else apply_container(before, step, NOW)
            )  # fmt: skip
            wished |= isinstance(step, Reason) and before.is_live
            assert before.is_live or after is None, "a terminal one changed"
            if after is not None:
                assert after.revision > before.revision
                assert not (wished and after.state is D.RUNNING), "a start won over a stop"
                deployment = after
