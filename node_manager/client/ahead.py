"""What is got ready for starts that will probably come: images fetched, containers created.

Hints are kept in memory alone. One that is lost, late or wrong costs nothing but the time it would
have saved; what was created for a start that did not come removes itself (`domain.decide`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from common.failpoints import failpoint
from common.logs import logger
from common.messages import PrepareContainer
from node_manager.client.cleaner import ImageBook
from node_manager.client.deadlines import Lane
from node_manager.client.domain.attempt import Hint, Key, Record
from node_manager.client.domain.container import Owner, Policy, plan_container
from node_manager.client.engine import (
    ContainerRefusedError,
    Engine,
    ImageMissingError,
    NameTakenError,
)
from node_manager.client.pulls import Pulls

MOST_HINTS = 1000

_log = logger("client.ahead")


class Hints:
    """The hints that still hold, by attempt. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hints: dict[Key, Hint] = {}

    def note(self, message: PrepareContainer, now: datetime) -> bool:
        """Take a hint; False if it is over, or there are too many."""
        key = Key(message.job_id, message.start.attempt)
        with self._lock:
            self._hints = {k: hint for k, hint in self._hints.items() if now < hint.keep_until}
            if now >= message.keep_until or len(self._hints) >= MOST_HINTS:
                return False
            self._hints[key] = Hint(message.start, message.creates, message.keep_until)
        return True

    def onto(self, record: Record, key: Key) -> Record:
        """Return what is known of an attempt with the hint; a command makes that void."""
        with self._lock:
            if record.command is not None:
                self._hints.pop(key, None)
                return record
            return replace(record, hint=self._hints.get(key))

    def get(self, key: Key) -> Hint | None:
        with self._lock:
            return self._hints.get(key)

    def mark_fetched(self, key: Key) -> None:
        """The image was asked for."""
        with self._lock:
            hint = self._hints.get(key)
            if hint is not None:
                self._hints[key] = replace(hint, fetched=True)

    def drop(self, key: Key) -> None:
        with self._lock:
            self._hints.pop(key, None)


class Ahead:
    """Carries out hints; whatever fails is left to the start itself, which then tells of it."""

    def __init__(
        self, hints: Hints, engine: Engine, pulls: Pulls, images: ImageBook
    ) -> None:
        self.hints = hints
        self._engine = engine
        self._pulls = pulls
        self._images = images

    def fetch(self, key: Key, hint: Hint, policy: Policy) -> None:
        """Ask for the image, if this machine may run it and does not have it."""
        self.hints.mark_fetched(key)
        image = policy.wanted(hint.start.spec.image)
        if policy.refusal(hint.start.spec) is None and not self._engine.has_image(image):
            self._pulls.request(image, key, lambda *_: None)

    def create(
        self, key: Key, owner: Owner, policy: Policy, touch: Callable[[Key, Lane], None]
    ) -> bool:
        """Create the container, not started; False if only time can lead on."""
        hint = self.hints.get(key)
        if hint is None or policy.refusal(hint.start.spec):
            self.hints.drop(key)
            return True

        def pulled(key: Key, error: str | None) -> None:
            if error is not None:
                self.hints.drop(key)
            touch(key, Lane.AHEAD)

        plan = plan_container(hint.start, owner, policy, hint.keep_until)
        try:
            self._engine.create(plan)
            self._images.note_used(plan.image)
            failpoint("client.prepared")
        except NameTakenError:
            return True  # look at what has the name
        except ImageMissingError:
            self._pulls.request(plan.image, key, pulled)
            return False
        except ContainerRefusedError as error:
            _log.warning("not_prepared", job_id=key.job_id, error=str(error))
            self.hints.drop(key)
        return True
