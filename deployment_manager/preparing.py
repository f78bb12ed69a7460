"""Where starts that will come soon will probably go, so that their nodes get ready (ADR 15).

Nothing is reserved and nothing is written: a start is placed when it comes, and goes where its
container waits if that node is still among the best.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from common.bus import BusUnavailableError, MessageTooLargeError, Producer, UnknownTopicError
from common.clock import Clock
from common.logs import logger
from common.messages import PrepareJob, node_commands
from deployment_manager import outgoing
from deployment_manager.domain.deployment import Deployment
from deployment_manager.fleet import Fleet, Prepared, need_of
from load_balancer.domain.ranking import Candidate, Need, Wish, load_of, refusal

KEPT_AFTER_DUE = timedelta(seconds=60)
"""A container that waits for a start is removed so long after the due time."""
MOST_PREPARED = 5_000
AS_GOOD_AS = 0.1
"""A prepared node is taken while its load is at most so much above that of the least loaded."""

_log = logger("deployment_manager.preparing")


class Preparer:
    """Guarded by the deployer's lock; what it knows is lost with the process, which is no harm."""

    def __init__(self, producer: Producer, clock: Clock, fleet: Fleet) -> None:
        self._producer = producer
        self._clock = clock
        self._fleet = fleet

    def prepare(self, messages: Sequence[PrepareJob]) -> None:
        """Choose a node for each, and tell it; spread as if all of them ran already."""
        now, fleet = self._clock.now(), self._fleet
        fleet.prepared = {k: one for k, one in fleet.prepared.items() if now < one.keep_until}
        wanted = [one for one in messages if self._is_wanted(one, now)]
        room = max(0, MOST_PREPARED - len(fleet.prepared))
        if not wanted or not room:
            return
        touched = {one.node for one in fleet.prepared.values()}
        for known in fleet.prepared.values():
            self._debit(known)
        for message in wanted[:room]:
            prepared = self._choose(message)
            if prepared is not None:
                touched.add(prepared.node)
                self._debit(prepared)
                self._tell(message, prepared)
        fleet.draw_up_again(touched)

    def _is_wanted(self, message: PrepareJob, now: datetime) -> bool:
        key = message.job_id, message.start.attempt
        is_new = message.creates or key not in self._fleet.prepared
        return is_new and key not in self._fleet.live and now < message.start.due + KEPT_AFTER_DUE

    def _choose(self, message: PrepareJob) -> Prepared | None:
        start, fleet = message.start, self._fleet
        need, job_set = need_of(start.spec), (start.instance_id, start.due)
        known = fleet.prepared.pop((start.job_id, start.attempt), None)
        siblings: dict[str, int] = {}
        for one in fleet.prepared.values():
            if one.job_set == job_set:
                siblings[one.node] = siblings.get(one.node, 0) + 1
        chosen = fleet.pool.pick(need, Wish(siblings))
        if known is not None and chosen is not None:
            before = fleet.pool.candidates.get(known.node)  # it has the image by now
            is_free = before is not None and refusal(before, need) is None
            if before is not None and is_free and is_as_good(before, chosen):
                chosen = before
        if chosen is None:
            return None
        return Prepared(chosen.node, need, job_set, start.due + KEPT_AFTER_DUE)

    def _debit(self, prepared: Prepared) -> None:
        candidate = self._fleet.pool.candidates.get(prepared.node)
        if candidate is not None:
            candidate.debit(prepared.need)
            self._fleet.pool.touch(candidate)

    def _tell(self, message: PrepareJob, prepared: Prepared) -> None:
        start = message.start
        payload = outgoing.prepare_container(message, prepared.node, prepared.keep_until)
        try:
            self._producer.send(node_commands(prepared.node), start.job_id, payload)
        except (UnknownTopicError, MessageTooLargeError, BusUnavailableError) as error:
            _log.warning("not_prepared", job_id=start.job_id, error=str(error))
            return
        self._fleet.prepared[start.job_id, start.attempt] = prepared


def prepared_node(fleet: Fleet, deployment: Deployment, need: Need) -> Candidate | None:
    """Return the node where the attempt's container waits, if it is about as good as any."""
    prepared = fleet.prepared.get(deployment.key)
    found = fleet.pool.candidates.get(prepared.node) if prepared is not None else None
    if found is None or refusal(found, need) is not None:
        return None
    wish = fleet.wish_of(deployment)
    is_lonely = found.node != wish.avoid and not wish.siblings.get(found.node)
    best = fleet.pool.pick(need, wish) if is_lonely else None
    return found if best is not None and is_as_good(found, best) else None


def is_as_good(found: Candidate, best: Candidate) -> bool:
    """Tell whether a node's load, where it is known, is near that of the best."""
    if found.cpu is None:
        return best.cpu is None
    return best.cpu is None or load_of(found) <= load_of(best) + AS_GOOD_AS


