"""The machines of pools: what is there is adopted, what is missing is made, nothing twice.

How a machine of some kind is made stands in its `Maker`; when, stands here, once for all kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from platform_initializer.domain.description import Pool
from platform_initializer.machines import Machine

Tell = Callable[[str], None]
AT_ONCE = 16


@dataclass(frozen=True)
class Wanted:
    """One machine as its pool describes it."""

    name: str
    pool: Pool


class Maker(Protocol):
    """Makes machines of one kind for one platform; all of them raise `MachineError`.

    A machine belongs to the platform by a mark it has from its first moment on (a label, a tag, a
    folder), never by a record of ours: who is killed between making and recording finds it again.
    """

    def listed(self) -> Mapping[str, bool]:
        """Return all machines that carry the platform's mark, by name; True: it runs."""

    def check(self) -> None:
        """Refuse early when machines cannot be made here; changes nothing."""

    def make(self, wanted: Wanted) -> None:
        """Make one. Called for what `listed` lacks; safe to repeat after a crash at any point."""

    def start(self, wanted: Wanted) -> None:
        """Start one that is listed and does not run."""

    def reach(self, wanted: Wanted) -> Machine:
        """Wait until its SSH server answers, then tell how to reach it, its host key pinned."""

    def remove(self, names: Sequence[str]) -> None:
        """Remove machines with their disks; those that are gone already are no error."""


class PooledMachines:
    """All machines of the platform's pools. Safe to share between threads."""

    def __init__(self, pools: Sequence[Pool], maker: Maker) -> None:
        self._wanted = [Wanted(name, pool) for pool in pools for name in pool.machine_names()]
        self._maker = maker

    def missing(self) -> list[str]:
        """Name those that are still to be made."""
        there = self._maker.listed()
        return [wanted.name for wanted in self._wanted if wanted.name not in there]

    def orphans(self) -> list[str]:
        """Name those that carry the platform's mark and stand in no pool (any more)."""
        return sorted(set(self._maker.listed()) - {wanted.name for wanted in self._wanted})

    def provide(self, tell: Tell) -> list[Machine]:
        """Make what is missing, start what stopped, and return them all, reachable."""
        there = self._maker.listed()
        if any(wanted.name not in there for wanted in self._wanted):
            self._maker.check()

        def one(wanted: Wanted) -> Machine:
            if wanted.name not in there:
                tell(f"making machine {wanted.name}")
                self._maker.make(wanted)
            elif not there[wanted.name]:
                tell(f"starting machine {wanted.name}")
                self._maker.start(wanted)
            return self._maker.reach(wanted)

        return self._all(one, self._wanted)

    def existing(self) -> list[Machine]:
        """Return those that run, without making or starting any."""
        there = self._maker.listed()
        return self._all(self._maker.reach, [w for w in self._wanted if there.get(w.name)])

    def destroy(self) -> list[str]:
        """Remove every machine of the platform with its disk; return their names."""
        names = sorted(self._maker.listed())
        if names:
            self._maker.remove(names)
        return names

    def destroy_one(self, name: str) -> bool:
        """Remove one of them with its disk; False when it was none of ours."""
        if name not in self._maker.listed():
            return False
        self._maker.remove([name])
        return True

    def _all(self, work: Callable[[Wanted], Machine], wanted: Sequence[Wanted]) -> list[Machine]:
        with ThreadPoolExecutor(max(1, min(AT_ONCE, len(wanted)))) as threads:
            return list(threads.map(work, wanted))
