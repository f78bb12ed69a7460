"""Each reason is told in words, with the command to go on with."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
import typer.main
from typer.core import TyperGroup

from cli.explaining import explanation_of
from common.jobs import TERMINAL, JobState, Reason

JOB = "a.20260302T115900Z.0"
AS_PLANNED = {Reason.END_TIME, Reason.DURATION}


def found(state: str, reason: str | None = None, **more: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"job_id": JOB, "node": None, "detail": None, "why_not": {}, "waits_for": []}
    return {**empty, "state": state, "reason": reason, **more}


@pytest.mark.parametrize("reason", list(Reason))
def test_each_reason_is_told_in_words_of_its_own(reason: Reason) -> None:
    said = explanation_of(found(JobState.FAILED, reason))
    assert said[0] == f"{JOB} is FAILED ({reason})"
    others = {explanation_of(found(JobState.FAILED, other))[1] for other in Reason if other != reason}
    assert len(said[1].split()) >= 4
    assert said[1] not in others


@pytest.mark.parametrize("reason", list(Reason))
def test_each_reason_but_a_planned_end_names_a_command_that_exists(reason: Reason) -> None:
    last = explanation_of(found(JobState.FAILED, reason))[-1]
    if reason in AS_PLANNED:
        assert not last.startswith("next:")
        return
    told, program, group, verb, *_ = last.split()
    assert (told, program) == ("next:", "rota")
    known = typer.main.get_command(import_module(f"cli.{group}").app)
    assert isinstance(known, TyperGroup)
    assert verb in known.commands


@pytest.mark.parametrize("state", sorted({*JobState} - TERMINAL - {JobState.UNKNOWN}))
def test_a_job_that_has_no_reason_yet_is_told_by_its_state(state: JobState) -> None:
    assert len(explanation_of(found(state))[1].split()) >= 3


@pytest.mark.parametrize(("state", "reason", "said"), [
    ("SKIPPED", "user", "a person asked to skip this due time"),
    ("QUEUED", "user", "a person asked for another attempt; it waits for a node"),
    ("QUEUED", "node_lost", "its node was lost; it waits for another one"),
    ("UNKNOWN", "node_lost",
     "its node is silent; it may still run there, so it runs nowhere else"),
    ("LOST", "node_lost", "its node was lost while the job was there"),
])  # fmt: skip
def test_one_reason_means_what_it_means_in_its_state(state: str, reason: str, said: str) -> None:
    assert explanation_of(found(state, reason))[1] == said


def test_a_job_that_ended_was_where_it_was_and_its_detail_is_told() -> None:
    said = explanation_of(found("FAILED", "exit_code", node="m1", detail="exit code 3"))
    assert said == [
        f"{JOB} is FAILED (exit_code)",
        "its process ended with an error, or could not be started",
        "was on m1, the least loaded of those that fitted then",
        "exit code 3",
        f"next: rota job logs {JOB}",
    ]


def test_what_a_reason_newer_than_this_program_is_called_is_still_told() -> None:
    assert explanation_of(found("FAILED", "moon")) == [f"{JOB} is FAILED (moon)"]
