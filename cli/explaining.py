"""What `rota job explain` says: why a job ran, runs, waits or did not run. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.jobs import TERMINAL, JobState, Reason

S, R = JobState, Reason
_STATES: Mapping[str, str] = {
    S.PLANNED: "it is not due yet",
    S.WAITING: "it is due, but a job it depends on has not ended as needed",
    S.QUEUED: "it is due, and waits for the job before it or for a node",
    S.STARTING: "it was placed; its container is being made",
    S.RUNNING: "its container runs",
    S.STOPPING: "it was told to stop; its end is not confirmed yet",
    S.SUCCEEDED: "it ended by itself with exit code 0",
}
_REASONS: Mapping[str, str] = {
    R.DOWNTIME: "the scheduler was down when it was due, and the instance's `misfire` left it out",
    R.START_DEADLINE: "it could not start within the instance's `start_deadline`",
    R.WINDOW_CLOSED: "its stop time came before it could start",
    R.OVERLAP: "an earlier job of the instance had not ended, and its `overlap` left this one out",
    R.PAUSED: "the instance was paused when it was due",
    R.DEP_FAILED: "a job it depends on did not end as needed, its retries spent",
    R.DEP_TIMEOUT: "the jobs it depends on had not ended when its start deadline came",
    R.NO_NODE: "no node fits; it is tried again at every change of the nodes",
    R.PULL_FAILED: "the node could not fetch its image",
    R.EXIT_CODE: "its process ended with an error, or could not be started",
    R.OOM: "it used more memory than it may",
    R.END_TIME: "its stop time came, as planned",
    R.DURATION: "its `duration` was over, as planned",
    R.TIMEOUT: "it ran longer than its `timeout`",
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
_NEXT: Mapping[str, str] = {
    R.DOWNTIME: "rota service list",
    R.START_DEADLINE: "rota schedule show {instance}",
    R.WINDOW_CLOSED: "rota schedule show {instance}",
    R.OVERLAP: "rota job list --instance {instance}",
    R.PAUSED: "rota schedule resume {instance}",
    R.DEP_FAILED: "rota job show {job}",
    R.DEP_TIMEOUT: "rota job show {job}",
    R.NO_NODE: "rota node list",
    R.PULL_FAILED: "rota schedule show {instance}",
    R.EXIT_CODE: "rota job logs {job}",
    R.OOM: "rota schedule show {instance}",
    R.END_TIME: "",
    R.DURATION: "",
    R.TIMEOUT: "rota job logs {job}",
    R.REPLACED: "rota job list --instance {instance}",
    R.USER: "rota audit list",
    R.NODE_LOST: "rota node list",
    R.KILL_FAILED: "rota node list",
}
"""What to look at next; empty where all went as planned."""


def explanation_of(found: Mapping[str, Any]) -> list[str]:
    """Say in words why a job is where it is, and what to look at next."""
    reason = f" ({found['reason']})" if found["reason"] else ""
    lines = [f"{found['job_id']} is {found['state']}{reason}"]
    why = _why(found["state"], found["reason"])
    lines += [why] if why else []
    lines += [waiting_words(parent) for parent in found["waits_for"]]
    lines += _place(found)
    lines += [found["detail"]] if found["detail"] else []
    then = _NEXT.get(found["reason"] or "", "")
    if then:
        instance = found["job_id"].partition(".")[0]
        lines.append("next: " + then.format(job=found["job_id"], instance=instance))
    return lines


def waiting_words(parent: Mapping[str, Any]) -> str:
    """Say what a job needs of one parent, and how that one is."""
    state = parent["state"] or "not due yet"
    return f"waits for {parent['instance']} to be {parent['on']}: {state}"


def _why(state: str, reason: str | None) -> str:
    """Return the reason's words; those of the state where there is no reason."""
    if not reason:
        return _STATES.get(state, "")
    return _SPECIAL.get((state, reason)) or _REASONS.get(reason, "")


def _place(found: Mapping[str, Any]) -> list[str]:
    if found["node"]:
        was = "was " if found["state"] in TERMINAL else ""
        return [f"{was}on {found['node']}, the least loaded of those that fitted then"]
    return [f"not on {node}: {why}" for node, why in sorted(found["why_not"].items())]
