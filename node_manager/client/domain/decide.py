"""The one decision of the platform client: given memory, container and time, what comes next.

Level-triggered: commands, Docker's events, timers and sweeps only cause the question to be asked
again, so their order and number do not matter. Stop wins over start, always. One attempt never
gets a second container.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from common.messages import ContainerChanged, ContainerState, StopCause
from node_manager.client.domain.actions import (
    Action,
    Announce,
    Create,
    End,
    Fetch,
    Finish,
    Kill,
    Remove,
    Restart,
    Start,
    Wait,
    Withdraw,
)
from node_manager.client.domain.attempt import Ending, Key, Ran, Record, Seen, Status
from node_manager.client.domain.container import hash_of
from node_manager.client.domain.ends import deadline_of, fell_with_machine, was_oom, words_of_end

KEPT_AFTER_END = timedelta(seconds=60)
RESTART_DELAYS_S = (1, 2, 4, 8, 16, 32, 60)
KILL_AGAIN = timedelta(seconds=2)
LEAD_TIME = timedelta(minutes=5)
"""An image is pulled this long before the due time, where the command comes early enough."""
CREATE_AHEAD = timedelta(seconds=30)
"""A container is created this long before the due time, so that at it there is only to start."""


def decide(key: Key, record: Record, seen: Seen | None, now: datetime) -> Action:
    """Decide about one attempt; `seen` is the container with its name, None if there is none."""
    if seen is not None and not seen.is_ours:
        return _foreign(key, record, seen, now)
    case = _Case(key, record, seen, now)
    if record.finished is not None:
        return case.after_the_end(record.finished)
    if seen is None:
        return case.nothing_there()
    match seen.status:
        case Status.CREATED:
            return case.created(seen)
        case Status.RUNNING:
            return case.running(seen)
        case Status.EXITED:
            return case.exited(seen)


def _foreign(key: Key, record: Record, seen: Seen, now: datetime) -> Action:
    """Leave a stranger's container alone, though it bears our name."""
    if record.finished is not None or (record.command is None and record.revoked is None):
        return Wait()
    case = _Case(key, record, None, now)
    if case.is_revoked():
        return case.nothing_there()
    words = f"the name {key.name} is taken by a container that is not ours: {seen.container_id}"
    return Finish(case.report(ContainerState.REFUSED, StopCause.CREATE_FAILED, words))


@dataclass(frozen=True)
class _Case:
    key: Key
    record: Record
    seen: Seen | None
    now: datetime

    def is_revoked(self) -> bool:
        revoked = self.record.revoked
        return revoked is not None and revoked.epoch >= self._epoch()

    def after_the_end(self, finished: ContainerChanged) -> Action:
        """Clean up, but not before the end was told and a minute has passed."""
        if self.seen is None:
            return Wait()
        if self.seen.status is Status.RUNNING:
            return Kill()  # someone started it again by hand: the attempt is over
        if self.seen.status is Status.CREATED:
            return Remove()
        if not self.record.is_sent:
            return Wait()
        kept_until = (finished.time or self.now) + KEPT_AFTER_END
        return Remove() if self.now >= kept_until else Wait(kept_until)

    def nothing_there(self) -> Action:
        record, command = self.record, self.record.command
        if record.ran is not None or (record.launching is not None and record.failed is None):
            words = "its container was removed by someone else"
            return Finish(self.report(ContainerState.EXITED, self._end_cause(), words))
        if self.is_revoked():
            return self._stopped_before()
        if command is None:
            return self._ahead()
        return self._too_late() or self._prepare(command.not_before)

    def _ahead(self) -> Action:
        """Get ready for a start that will probably come."""
        hint = self.record.hint
        if hint is None or self.now >= hint.keep_until:
            return Wait()
        if hint.creates:
            return Create()
        return Wait() if hint.fetched else Fetch()

    def _prepare(self, not_before: datetime) -> Action:
        """Pull and create ahead of the due time, but not so early that it lies about for long."""
        if self.now >= not_before - CREATE_AHEAD:
            return Create()
        if self.record.fetched:
            return Wait(not_before - CREATE_AHEAD, is_urgent=False)
        if self.now >= not_before - LEAD_TIME:
            return Fetch()
        return Wait(not_before - LEAD_TIME, is_urgent=False)

    def created(self, seen: Seen) -> Action:
        command = self.record.command
        over = self._stopped_before() if self.is_revoked() else self._too_late()
        if over is not None and self.record.launching is not None:
            return Withdraw(over.report)  # a slow Docker may start it yet: no end before it is gone
        if over is not None:
            return over  # and removed then
        if seen.keep_until is not None and self._is_useless(seen, seen.keep_until):
            return Remove()
        if command is None or command.epoch < seen.epoch:
            return Wait(seen.keep_until)  # its command comes again, or the database lets it go
        if self.now >= command.not_before:
            return Start()
        return Wait(command.not_before, is_urgent=False)

    def _is_useless(self, seen: Seen, keep_until: datetime) -> bool:
        """Tell whether what was created ahead waits in vain, or is not what is to be started."""
        command = self.record.command
        if command is None:
            return self.now >= keep_until
        return seen.spec_hash != hash_of(command)  # the file was edited since

    def running(self, seen: Seen) -> Action:
        record, now = self.record, self.now
        ending = self._wanted_ending(seen)
        if ending is not None and now >= ending.kill_at and ending == record.ending:
            return Kill()
        if ending is not None and (ending != record.ending or not record.signalled):
            return End(ending)
        if ending is not None:
            return Wait(ending.kill_at)
        if not record.announced:
            ran = record.ran or Ran(self.key.job_id, self.key.attempt, seen.started_at or now)
            return Announce(self.report(ContainerState.RUNNING), ran)
        deadline = deadline_of(record, seen)
        return Wait(deadline[0] if deadline else None)

    def exited(self, seen: Seen) -> Action:
        if self.record.ending is not None or self.is_revoked() or not self._is_restarted(seen):
            cause = self._end_cause()
            if cause is None and fell_with_machine(seen):
                words = f"its machine was started anew while it ran (Docker says {seen.exit_code})"
                return Finish(self.report(ContainerState.GONE, None, words))
            return Finish(self.report(ContainerState.EXITED, cause, words_of_end(seen, cause)))
        again = self._restart_at(seen)
        deadline = deadline_of(self.record, seen)
        if deadline is not None and max(again, self.now) >= deadline[0]:
            return Finish(self.report(ContainerState.EXITED, deadline[1]))
        if self.now < again:
            return Wait(again)
        ran, began = self.record.ran, seen.started_at or self.now
        count = ran.restarts + 1 if ran else 1
        return Restart(
            Ran(self.key.job_id, self.key.attempt, ran.started_at if ran else began, count)
        )

    def report(
        self, state: ContainerState, stop_cause: StopCause | None = None, detail: str | None = None
    ) -> ContainerChanged:
        """Write the snapshot of this attempt."""
        seen, record = self.seen, self.record
        is_over = state is ContainerState.EXITED and seen is not None
        started_at = record.ran.started_at if record.ran else seen.started_at if seen else None
        return ContainerChanged(
            node_id="",  # the service signs it
            job_id=self.key.job_id,
            attempt=self.key.attempt,
            epoch=self._answered_epoch(),
            state=state,
            time=self.now,
            cause=record.command.id if record.command else None,
            stop_cause=stop_cause,
            container_id=seen.container_id if seen else None,
            exit_code=seen.exit_code if seen and is_over else None,
            oom_killed=was_oom(seen),
            started_at=started_at,
            ended_at=(seen.ended_at if seen and is_over else self.now)
            if state is ContainerState.EXITED
            else None,
            detail=detail,
        )

    def _answered_epoch(self) -> int:
        """A stop that took effect is answered under its own epoch."""
        revoked = self.record.revoked
        if revoked is not None and self.is_revoked():
            return revoked.epoch
        return max(self._epoch(), 0)

    def _epoch(self) -> int:
        return max(self.record.epoch, self.seen.epoch if self.seen else -1)

    def _stopped_before(self) -> Finish:
        state = ContainerState.REFUSED if self.record.command else ContainerState.GONE
        return Finish(self.report(state, StopCause.COMMAND, "stopped before it was started"))

    def _too_late(self) -> Finish | None:
        """Refuse what failed, expired, or would have to stop at once."""
        record, command = self.record, self.record.command
        if record.failed is not None:
            failed = record.failed
            return Finish(self.report(ContainerState.REFUSED, failed.cause, failed.detail))
        if command is None:
            return None
        limit = min(command.expires_at, command.stop_at or command.expires_at)
        if self.now >= limit:
            words = f"not started by {limit.isoformat()}"
            return Finish(self.report(ContainerState.REFUSED, StopCause.EXPIRED, words))
        return None

    def _wanted_ending(self, seen: Seen) -> Ending | None:
        """Return how a running container is to end: begun before, stopped by command, or due."""
        record, now, ending = self.record, self.now, self.record.ending
        if record.revoked is not None and self.is_revoked():
            kill_at = max(now, record.revoked.at) + timedelta(seconds=record.revoked.grace_s)
            if ending is None:
                return Ending(self.key.job_id, self.key.attempt, StopCause.COMMAND, now, kill_at)
            # A later command may shorten the grace of an ending, never lengthen it.
            ordered = max(ending.since, record.revoked.at) + timedelta(
                seconds=record.revoked.grace_s
            )
            if ordered < ending.kill_at:
                return Ending(
                    self.key.job_id, self.key.attempt, ending.cause, ending.since, ordered
                )
            return ending
        deadline = deadline_of(record, seen)
        if ending is None and deadline is not None and now >= deadline[0]:
            grace = timedelta(seconds=self._grace_s(seen))
            return Ending(self.key.job_id, self.key.attempt, deadline[1], now, now + grace)
        return ending

    def _grace_s(self, seen: Seen) -> int:
        return self.record.command.spec.grace_s if self.record.command else seen.grace_s

    def _end_cause(self) -> StopCause | None:
        """Name why it had to end; None when it ended before our signal and its stop time.

        What ended after its stop time without us was stopped by the machine's watchdog.
        """
        ending, seen = self.record.ending, self.seen
        ended_at = seen.ended_at if seen is not None else None
        if ending is not None:
            is_before = ended_at is not None and ended_at < ending.since
            return None if is_before else ending.cause
        deadline = deadline_of(self.record, seen) if seen is not None else None
        if deadline is None or ended_at is None or ended_at < deadline[0]:
            return None
        return deadline[1]

    def _is_restarted(self, seen: Seen) -> bool:
        """Tell whether its policy starts it again within the job (schedule.md, 2)."""
        if self.record.failed is not None:
            return False
        restart = self.record.command.spec.restart if self.record.command else seen.restart
        return restart == "always" or (restart == "on-failure" and seen.exit_code != 0)

    def _restart_at(self, seen: Seen) -> datetime:
        count = self.record.ran.restarts if self.record.ran else 0
        delay = RESTART_DELAYS_S[min(count, len(RESTART_DELAYS_S) - 1)]
        return (seen.ended_at or self.now) + timedelta(seconds=delay)
