"""People at work: what a scenario's actions are, as calls of the application manager's doors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from application_manager.asks import Ask, Asks
from application_manager.schedules import Schedules
from tests.simulation.actions import Action, variant_of
from tests.simulation.configurer import ACTOR
from tests.simulation.wanted import at

if TYPE_CHECKING:
    from tests.simulation.platform import Platform

BACKFILLED_S = 30.0
MOST_BACKFILLED = 3
ENDED_BADLY = {"FAILED", "TIMED_OUT", "CANCELLED", "MISSED", "SKIPPED", "UPSTREAM_FAILED"}


class People:
    """Does to a platform what people do. Which job they mean they see in the ledger."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._world = platform.world
        self._configurer = platform.configurer

    def begin(self) -> None:
        """Put all of a scenario's actions on the world's agenda."""
        scenario = self._platform.scenario
        for moment in scenario.kills:
            self._world.later(moment, self._kill_any)
        for action in scenario.actions:
            self._world.later(action.second, partial(self._act, action))

    def _act(self, action: Action) -> None:
        self._world.note("person", f"{action.kind} {action.instance}")
        match action.kind:
            case "edit" if action.edited is not None:
                self._configurer.apply([action.edited.spec], variant_of(action.edited))
            case "pause":
                self._pause(action, paused=True)
                self._world.later(action.length, partial(self._pause, action, paused=False))
            case "delete":
                self._do(lambda schedules, _: _keyless(
                    schedules.delete(action.instance, ACTOR, cascade=True)))
            case "run" | "skip":
                ask = Ask(action.kind, action.instance, forced=action.is_forced)
                self._do(lambda _, asks: [asks.of_instance(ask, ACTOR)])
            case "retry":
                self._retry(action)
            case _:
                self._do(partial(self._backfill, action))

    def _do(self, ask: Callable[[Schedules, Asks], Sequence[str]]) -> None:
        self._configurer.do(ask)

    def _pause(self, action: Action, *, paused: bool) -> None:
        self._do(lambda schedules, _: _keyless(
            schedules.pause(action.instance, ACTOR, paused=paused, reason=None)))

    def _retry(self, action: Action) -> None:
        """Try again what ended badly: of the instance if there is such a job, or of any."""
        jobs = [job for job in self._platform.jobs() if job["state"] in ENDED_BADLY]
        found = [job for job in jobs if job["instance_id"] == action.instance] or jobs
        if found:
            job_id = self._world.rng.choice(found)["job_id"]
            self._do(lambda _, asks: [
                asks.of_job(job_id, "retry", ACTOR, forced=action.is_forced)])

    def _backfill(self, action: Action, _: Schedules, asks: Asks) -> Sequence[str]:
        until = at(self._world.time)
        found = asks.preview_backfill(
            action.instance, until - timedelta(seconds=BACKFILLED_S), until
        )
        dues = [one["due"] for one in found if one["verdict"] == "would run"][:MOST_BACKFILLED]
        return asks.backfill(action.instance, dues, ACTOR, forced=action.is_forced)

    def _kill_any(self) -> None:
        """A person kills some live job; it may have ended when the request is read."""
        live = self._platform.live_jobs()
        if live:
            job_id = self._world.rng.choice(live)["job_id"]
            self._world.note("person kills", job_id)
            self._do(lambda _, asks: [asks.of_job(job_id, "kill", ACTOR)])


def _keyless(_: Any) -> Sequence[str]:
    """What takes effect in its own transaction has no request to be answered."""
    return ()
