"""When an attempt must end, and how an end is told. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from common.messages import StopCause
from node_manager.client.domain.attempt import Record, Seen

KILLED = 137  # 128 + SIGKILL
SIGNALLED = 128  # above it: a signal, or the 255 that Docker gives what it lost sight of


def deadline_of(record: Record, seen: Seen) -> tuple[datetime, StopCause] | None:
    """Return when the client itself must end the container, and why; None for never.

    The timeout counts from the first start: a restart within the job gains no time.
    """
    stop_at, timeout_s = seen.stop_at, seen.timeout_s
    if record.command is not None and record.command.epoch >= seen.epoch:
        stop_at, timeout_s = record.command.stop_at, record.command.spec.timeout_s
    ends: list[tuple[datetime, StopCause]] = []
    if stop_at is not None:
        ends.append((stop_at, StopCause.DEADLINE))
    began = record.ran.started_at if record.ran else seen.started_at
    if timeout_s is not None and began is not None:
        ends.append((began + timedelta(seconds=timeout_s), StopCause.TIMEOUT))
    return min(ends, default=None)


def words_of_end(seen: Seen, cause: StopCause | None) -> str | None:
    """Explain a SIGKILL that was not ours; not every kernel tells Docker that memory was short."""
    if cause is not None or seen.oom_killed or seen.exit_code != KILLED:
        return None
    return "ended by SIGKILL that the platform did not send: out of memory, or somebody's kill"


def fell_with_machine(seen: Seen) -> bool:
    """Tell whether a reboot ended it: no code of its program's own, and a boot before this one."""
    is_killed = seen.exit_code is None or seen.exit_code > SIGNALLED
    return seen.is_of_former_boot and is_killed and not seen.oom_killed


def was_oom(seen: Seen | None) -> bool:
    """Docker flags a container one of whose processes was killed, though it ended well itself."""
    return seen is not None and seen.oom_killed and seen.exit_code != 0
