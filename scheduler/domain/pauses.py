"""When an instance was paused, as far as it matters: each change turns it round. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Pauses:
    """Whether an instance was paused at first, and the moments that turned that round, in order."""

    was_paused: bool
    turned_at: tuple[datetime, ...] = ()

    def covers(self, due: datetime) -> bool:
        """Tell whether a due time falls into a pause; a change holds for what is due after it."""
        is_turned = bisect_left(self.turned_at, due) % 2 == 1
        return self.was_paused != is_turned


def pauses_of(changes: Sequence[tuple[datetime, bool]], *, is_paused: bool) -> Pauses:
    """Make them of what was said from some moment on: (when, whether to pause), in order.

    What was so before is the opposite of the first change; where there was none, it is as now. What
    says nothing new is left out.
    """
    if not changes:
        return Pauses(is_paused)
    first = state = not changes[0][1]
    turned: list[datetime] = []
    for moment, wish in changes:
        if wish != state:
            turned.append(moment)
            state = wish
    return Pauses(first, tuple(turned))
