"""What `rota job explain` says: why a job ran, runs, waits or did not run. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.job_words import REASONS, STATES, reason_words
from common.jobs import TERMINAL, Reason

R = Reason
_NEXT: Mapping[str, str] = {
    R.DOWNTIME: "rota service list",
    R.START_DEADLINE: "rota schedule show {instance}",
    R.WINDOW_CLOSED: "rota schedule show {instance}",
    R.OVERLAP: "rota job list --instance {instance}",
    R.PAUSED: "rota schedule resume {instance}",
    R.DEP_FAILED: "rota job show {job}",
    R.DEP_TIMEOUT: "rota job show {job}",
    R.NO_NODE: "rota node list",
    R.PULL_FAILED: "rota platform up   (with the image under images.apps of platform.yml; or let"
    " its machine reach the registry)",
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
        return STATES.get(state, "")
    return reason_words(reason, state) if reason in REASONS else ""


def _place(found: Mapping[str, Any]) -> list[str]:
    if found["node"]:
        was = "was " if found["state"] in TERMINAL else ""
        return [f"{was}on {found['node']}, the least loaded of those that fitted then"]
    return [f"not on {node}: {why}" for node, why in sorted(found["why_not"].items())]
