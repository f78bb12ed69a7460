"""States and reasons of jobs in words: one table for the page and for the command. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from common.jobs import JobState, Reason

S, R = JobState, Reason
STATES: Mapping[str, str] = {
    S.PLANNED: "it is not due yet",
    S.WAITING: "it is due, but a job it depends on has not ended as needed",
    S.QUEUED: "it is due, and waits for the job before it or for a node",
    S.STARTING: "it was placed; its container is being made",
    S.RUNNING: "its container runs",
    S.STOPPING: "it was told to stop; its end is not confirmed yet",
    S.UNKNOWN: "its node is silent",
    S.SUCCEEDED: "it ended by itself with exit code 0",
    S.FAILED: "it ended with an error",
    S.TIMED_OUT: "it was stopped at its timeout",
    S.ENDED: "it was stopped at its stop time, as planned",
    S.CANCELLED: "it was stopped by a person, or replaced",
    S.MISSED: "it was due and did not start",
    S.SKIPPED: "it was due and was left out on purpose",
    S.UPSTREAM_FAILED: "a job it depends on failed",
    S.LOST: "its node was lost while it ran",
}
REASONS: Mapping[str, str] = {
    R.DOWNTIME: "the scheduler was down when it was due, and its misfire rule left it out",
    R.START_DEADLINE: "it could not start within the instance's start_deadline",
    R.WINDOW_CLOSED: "its stop time came before it could start",
    R.OVERLAP: "an earlier job of it had not ended, and its overlap rule left this one out",
    R.PAUSED: "the instance was paused when it was due",
    R.DEP_FAILED: "a job it depends on did not end as needed, its retries spent",
    R.DEP_TIMEOUT: "the jobs it depends on had not ended when its start deadline came",
    R.NO_NODE: "no node fits; it is tried again at every change of the nodes",
    R.PULL_FAILED: "the node could not fetch its image",
    R.EXIT_CODE: "its process ended with an error, or could not be started",
    R.OOM: "it used more memory than it may",
    R.END_TIME: "its stop time came, as planned",
    R.DURATION: "its duration was over, as planned",
    R.TIMEOUT: "it ran longer than its timeout",
    R.REPLACED: "a newer job of the instance took its place",
    R.USER: "a person asked for it, deleted the instance or drained its node",
    R.NODE_LOST: "its node was lost while the job was there",
    R.KILL_FAILED: "it was told to stop three times and its end is not confirmed",
}
_SPECIAL: Mapping[tuple[str, str], str] = {
    (S.QUEUED, R.USER): "a person asked for another attempt; it waits for a node",
    (S.QUEUED, R.NODE_LOST): "its node was lost; it waits for another one",
    (S.SKIPPED, R.USER): "a person asked to skip this due time",
    (S.UNKNOWN, R.NODE_LOST): "its node is silent; it may still run there, so it runs nowhere else",
}  # fmt: skip


def reason_words(reason: str | None, state: str = "") -> str:
    """Say what a reason means in a job's state; one newer than this program by its name."""
    if not reason:
        return ""
    return _SPECIAL.get((state, reason)) or REASONS.get(reason, reason)
