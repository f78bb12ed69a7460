"""What the screens say: states, reasons, exit codes and schedules in words. Pure, no HTML."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from common.job_words import STATES
from common.jobs import JobState
from common.messages import NodeState
from common.schedule import InstanceSpec, Recurrence


@dataclass(frozen=True)
class Look:
    """How a state is shown: never by colour alone. `tone` names a colour of the style sheet."""

    word: str
    icon: str
    tone: str
    meaning: str


S = JobState
JOB_LOOKS: Mapping[str, Look] = {
    S.PLANNED: Look("planned", "planned", "plan", STATES[S.PLANNED]),
    S.WAITING: Look("waiting", "waiting", "wait", STATES[S.WAITING]),
    S.QUEUED: Look("queued", "queued", "wait", STATES[S.QUEUED]),
    S.STARTING: Look("starting", "starting", "run", STATES[S.STARTING]),
    S.RUNNING: Look("running", "running", "run", STATES[S.RUNNING]),
    S.STOPPING: Look("stopping", "stopping", "warn", STATES[S.STOPPING]),
    S.UNKNOWN: Look("unknown", "unknown", "warn", STATES[S.UNKNOWN]),
    S.SUCCEEDED: Look("succeeded", "succeeded", "good", STATES[S.SUCCEEDED]),
    S.FAILED: Look("failed", "failed", "bad", STATES[S.FAILED]),
    S.TIMED_OUT: Look("timed out", "timed-out", "bad", STATES[S.TIMED_OUT]),
    S.ENDED: Look("ended", "ended", "done", STATES[S.ENDED]),
    S.CANCELLED: Look("cancelled", "cancelled", "quiet", STATES[S.CANCELLED]),
    S.MISSED: Look("missed", "missed", "miss", STATES[S.MISSED]),
    S.SKIPPED: Look("skipped", "skipped", "quiet", STATES[S.SKIPPED]),
    S.UPSTREAM_FAILED: Look("upstream failed", "upstream", "bad", STATES[S.UPSTREAM_FAILED]),
    S.LOST: Look("lost", "lost", "bad", STATES[S.LOST]),
}
N = NodeState
NODE_LOOKS: Mapping[str, Look] = {
    N.ACTIVE: Look("active", "succeeded", "good", "takes jobs"),
    N.SUSPECT: Look("suspect", "unknown", "warn", "silent for 15 s; gets nothing new"),
    N.LOST: Look("lost", "lost", "bad", "silent, and SSH agrees"),
    N.DRAINING: Look("draining", "stopping", "warn", "runs what it has, gets nothing new"),
    N.REMOVED: Look("removed", "cancelled", "quiet", "no longer part of the platform"),
}
INSTANCE_LOOKS: Mapping[str, Look] = {
    "active": Look("active", "succeeded", "good", "its schedule is in force"),
    "paused": Look("paused", "pause", "warn", "due times are written down as skipped"),
    "deleted": Look("deleted", "cancelled", "quiet", "no longer scheduled"),
}
_UNKNOWN_LOOK = Look("?", "unknown", "quiet", "a state that this screen does not know")

_EXITS = {
    0: "success",
    1: "a general error",
    2: "wrong usage",
    78: "bad configuration",
    125: "the container could not be created",
    126: "the command cannot be executed",
    127: "the command was not found",
}
_SIGNALS = {
    signal.SIGKILL: "killed (SIGKILL): out of memory, or it ignored the stop signal",
    signal.SIGTERM: "stopped by SIGTERM, as asked",
    signal.SIGSEGV: "crashed: invalid memory access (SIGSEGV)",
    signal.SIGABRT: "aborted itself (SIGABRT)",
    signal.SIGINT: "interrupted (SIGINT)",
}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_UNITS = ((31_536_000, "y"), (86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def job_look(state: str) -> Look:
    return JOB_LOOKS.get(state, _UNKNOWN_LOOK)


def node_look(state: str) -> Look:
    return NODE_LOOKS.get(state, _UNKNOWN_LOOK)


def instance_look(state: str) -> Look:
    return INSTANCE_LOOKS.get(state, _UNKNOWN_LOOK)


def exit_words(code: int | None) -> str:
    """Say what an exit code means; codes over 128 are signals (bash(1), EXIT STATUS)."""
    if code is None:
        return ""
    if code in _EXITS:
        return _EXITS[code]
    number = code - 128 if code > 128 else -code if code < 0 else 0
    if number in signal.valid_signals():
        known = signal.Signals(number)
        return _SIGNALS.get(known, f"ended by signal {known.name}")
    return "the application's own error code"


def span_words(seconds: float) -> str:
    """Write a length of time with its two largest units: ``2 h 05 min``, ``1.4 s``, ``230 ms``."""
    if seconds < 0:
        return "-" + span_words(-seconds)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10 and seconds != int(seconds):
        return f"{seconds:.1f} s"
    whole = int(seconds + 0.5)
    for (size, unit), (smaller, lower) in pairwise(_UNITS):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest:02d} {lower}" if rest else "")
    return f"{whole} s"


def bytes_words(count: float | None) -> str:
    if count is None:
        return "—"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} TiB"


def schedule_words(spec: InstanceSpec) -> str:
    """Say when an instance is due, in one sentence without its zone."""
    if spec.schedule is None:
        parents = ", ".join(edge.instance for edge in spec.depends_on)
        return f"after {parents}"
    return ", ".join(_sentences(spec.schedule))


def _sentences(when: Recurrence) -> list[str]:
    parts = [_form_words(when)]
    if when.days and len(when.days) < 7:
        parts.append(days_words(when.days))
    if when.duration_s:
        parts.append(f"for {span_words(when.duration_s)}")
    if when.form == "daily" and (when.end_time or when.ends_at_midnight):
        parts.append(f"until {_end_words(when)}")
    if when.form != "once" and when.end is not None:
        parts.append(f"until {when.end:%Y-%m-%d %H:%M}")
    if when.max_jobs:
        parts.append(f"{when.max_jobs} times at most")
    if when.exclude:
        parts.append(f"not on {len(when.exclude)} excluded days")
    return parts


def _form_words(when: Recurrence) -> str:
    if when.form == "once":
        return f"once at {when.start:%Y-%m-%d %H:%M:%S}"
    if when.form == "every":
        return f"every {_step_words(when)} from {when.start:%Y-%m-%d %H:%M}"
    if when.form == "daily":
        return f"daily at {when.start_time:%H:%M}"
    if when.form == "window":
        return f"every {_step_words(when)} from {when.start_time:%H:%M} to {_end_words(when)}"
    return _cron_words(str(when.cron))


def _cron_words(cron: str) -> str:
    """Say the plainest patterns in words, with the cron beside them; others as they are written."""
    minute, hour, *rest = [*cron.split(), "", ""]
    plain = re.fullmatch(r"\d+", minute) is not None and rest[:3] == ["*", "*", "*"]
    step = re.fullmatch(r"\*/(\d+)", hour)
    if plain and step and 24 % int(step[1]) == 0:
        return f"every {step[1]} h at :{int(minute):02d} (cron {cron})"
    if plain and hour == "*":
        return f"hourly at :{int(minute):02d} (cron {cron})"
    if plain and hour.isdigit():
        return f"daily at {int(hour):02d}:{int(minute):02d} (cron {cron})"
    return f"cron {cron}"


def _step_words(when: Recurrence) -> str:
    if when.unit == "s":
        return span_words(when.step)
    word = {"d": "day", "mo": "month"}[when.unit]
    return word if when.step == 1 else f"{when.step} {word}s"


def _end_words(when: Recurrence) -> str:
    return "24:00" if when.ends_at_midnight else f"{when.end_time:%H:%M}"


def days_words(days: tuple[int, ...]) -> str:
    """Write weekdays with runs drawn together: ``Mon-Fri``, ``Sat, Sun``."""
    runs: list[list[int]] = []
    for day in sorted(days):
        if runs and day == runs[-1][-1] + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(
        _DAYS[run[0]] if len(run) == 1
        else f"{_DAYS[run[0]]}{', ' if len(run) == 2 else '-'}{_DAYS[run[-1]]}"
        for run in runs
    )  # fmt: skip


def late_words(lateness_ms: int | None) -> str | None:
    """Say how late a job started; None unless it is over 60 s (schedule.md, 4)."""
    if lateness_ms is None or lateness_ms <= LATE.total_seconds() * 1000:
        return None
    return span_words(lateness_ms / 1000)


LATE = timedelta(seconds=60)
