"""The hands of the platform client: carry out one decision about one attempt.

What is decided is `domain.decide`'s, when and on which thread the service's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

import msgspec

from common.clock import Clock
from common.failpoints import failpoint
from common.logs import logger
from common.messages import ContainerChanged, StopCause
from node_manager.client.ahead import Ahead
from node_manager.client.cleaner import ImageBook
from node_manager.client.deadlines import Deadlines, Lane
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
from node_manager.client.domain.attempt import (
    Ending,
    Failed,
    Finished,
    Hint,
    Key,
    Launching,
    Ran,
    Seen,
)
from node_manager.client.domain.container import Owner, Policy, plan_container
from node_manager.client.domain.decide import KILL_AGAIN
from node_manager.client.engine import (
    ContainerRefusedError,
    Engine,
    ImageMissingError,
    NameTakenError,
    NoSuchContainerError,
)
from node_manager.client.journal import Journal
from node_manager.client.log_store import LogStore
from node_manager.client.pulls import Pulls
from node_manager.client.reports import Outbox
from node_manager.client.standing import NameRegister

_log = logger("client")


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the agent works with."""

    owner: Owner
    policy: Policy
    clock: Clock
    engine: Engine
    journal: Journal
    deadlines: Deadlines
    outbox: Outbox
    pulls: Pulls
    logs: LogStore
    images: ImageBook
    register: NameRegister
    ahead: Ahead


class Hands:
    """Acts on Docker, journal and outbox; keeps no state of its own."""

    def __init__(
        self, parts: Parts, touch: Callable[[Key, Lane], None], tell: Callable[[], None]
    ) -> None:
        self._parts = parts
        self._touch = touch
        self._tell = tell

    def carry_out(self, key: Key, action: Action, seen: Seen | None) -> bool:
        """Do one thing; False if only time or an event can lead on."""
        match action:
            case Fetch():
                self._fetch(key, self._parts.ahead.hints.get(key))
            case Create():
                return self._create(key)
            case Start():
                self._start(key)
            case Restart(ran):
                self._parts.journal.append([ran], sync=False)
                self._start(key)
            case Announce(report, ran):
                self._announce(key, report, ran)
            case End(ending):
                self._end(key, ending, seen)
            case Kill():
                self._kill(key)
                return False
            case _:
                return self._clear_up(key, action, seen)
        return True

    def _clear_up(
        self, key: Key, action: Finish | Remove | Wait | Withdraw, seen: Seen | None
    ) -> bool:
        match action:
            case Withdraw(report):
                self._parts.engine.remove(key.name)
                self._finish(self._signed(report))
            case Finish(report):
                self._finish(self._signed(report))
            case Remove():
                self._remove(key, seen)
            case Wait():
                return False
            case _:
                assert_never(action)
        return True

    def _announce(self, key: Key, report: ContainerChanged, ran: Ran) -> None:
        self._parts.journal.append([ran], sync=False)
        self._parts.outbox.put(self._signed(report))
        self._parts.journal.mark(key, announced=True)
        _log.info("container_running", job_id=key.job_id, attempt=key.attempt, epoch=report.epoch)

    def _end(self, key: Key, ending: Ending, seen: Seen | None) -> None:
        if self._parts.journal.get(key).ending != ending:
            self._parts.journal.note(ending)
        failpoint("client.stopping")
        _log.info("container_ending", job_id=key.job_id, attempt=key.attempt, cause=ending.cause)
        self._parts.engine.signal(key.name, seen.stop_signal if seen else "SIGTERM")
        self._parts.journal.mark(key, signalled=True)

    def _kill(self, key: Key) -> None:
        self._parts.engine.signal(key.name, "SIGKILL")
        again = self._parts.clock.now() + KILL_AGAIN
        self._parts.deadlines.put(key, again, Lane.URGENT)

    def _fetch(self, key: Key, hint: Hint | None) -> None:
        """Ask for the image; that it cannot be had is told when it is needed."""
        command = self._parts.journal.get(key).command
        if command is None and hint is not None:
            self._parts.ahead.fetch(key, hint, self._parts.policy)
            return
        self._parts.journal.mark(key, fetched=True)
        if command is None or self._parts.policy.refusal(command.spec):
            return
        image = self._parts.policy.wanted(command.spec.image)
        if not self._parts.engine.has_image(image):
            self._parts.pulls.request(image, key, lambda *_: None)

    def _create(self, key: Key) -> bool:
        command = self._parts.journal.get(key).command
        if command is None:
            parts = self._parts
            return parts.ahead.create(key, parts.owner, parts.policy, self._touch)
        if refusal := self._parts.policy.refusal(command.spec):
            self._fail(key, StopCause.CREATE_FAILED, refusal)
            return True
        plan = plan_container(command, self._parts.owner, self._parts.policy)
        try:
            self._parts.engine.create(plan)
            self._parts.images.note_used(plan.image)
            failpoint("client.created")
        except NameTakenError:
            return True  # look at what has the name
        except ImageMissingError:
            self._parts.pulls.request(plan.image, key, self._pulled)
            return False
        except ContainerRefusedError as error:
            self._fail(key, StopCause.CREATE_FAILED, str(error))
        return True

    def _start(self, key: Key) -> None:
        self._parts.journal.append([Launching(key.job_id, key.attempt)], sync=False)
        try:
            self._parts.engine.start(key.name)
            failpoint("client.started")
        except NoSuchContainerError:
            return  # removed by someone else just now
        except ContainerRefusedError as error:
            self._fail(key, StopCause.CREATE_FAILED, str(error))

    def _pulled(self, key: Key, error: str | None) -> None:
        if error is not None:
            self._fail(key, StopCause.PULL_FAILED, error)
        self._touch(key, Lane.NORMAL)

    def _fail(self, key: Key, cause: StopCause, detail: str) -> None:
        self._parts.journal.append([Failed(key.job_id, key.attempt, cause, detail)])

    def _finish(self, report: ContainerChanged) -> None:
        """Make the end durable before anybody hears of it: it must not be decided again."""
        self._parts.journal.append([Finished(report)])
        failpoint("client.finished")
        self._parts.outbox.put(report)
        self._tell()
        _log.info("container_" + report.state.lower(), job_id=report.job_id,
                  attempt=report.attempt, stop_cause=report.stop_cause,
                  exit_code=report.exit_code, detail=report.detail)  # fmt: skip

    def _remove(self, key: Key, seen: Seen | None) -> None:
        if seen is not None and seen.started_at is not None:
            stream = self._parts.engine.logs(key.name, tail=None, follow=False)
            self._parts.logs.save(key, stream)
        self._parts.engine.remove(key.name)

    def _signed(self, report: ContainerChanged) -> ContainerChanged:
        return msgspec.structs.replace(report, node_id=self._parts.owner.node_id)
