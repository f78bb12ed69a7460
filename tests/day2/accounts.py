"""What happened to an instance, by the ledger and by Docker on each machine, for the checker."""

from __future__ import annotations

from datetime import timedelta

from tests.checker.history import Due, History
from tests.e2e.court import Court
from tests.e2e.platform import TERMINAL, Platform, now, wait_for
from tests.e2e.schedules import once, soon


class Steady:
    """An instance that is due again and again, each job so many seconds long, until told to end."""

    every_s = 3
    lasts_s = 10

    def __init__(self, platform: Platform, name: str, jobs: int) -> None:
        self.platform, self.name, self.jobs = platform, name, jobs
        self.start = soon(5)
        self.end = self.start + timedelta(seconds=self.every_s * jobs - 1)
        platform.apply(
            once(name, self.start, ["run", "60"], interval=f"{self.every_s}s", duration=f"{self.lasts_s}s",
                 overlap="allow", misfire="all", end=self.end.strftime("%Y-%m-%dT%H:%M:%SZ"))
        )  # fmt: skip

    def wait_until_running(self) -> None:
        wait_for("the first to run", lambda: any(
            job["state"] == "RUNNING" for job in self.platform.jobs(self.name)))  # fmt: skip

    def is_still_due(self) -> bool:
        return now() < self.end - timedelta(seconds=self.every_s)

    def wait_until_ended(self) -> None:
        def ended() -> bool:
            jobs = self.platform.jobs(self.name)
            return len(jobs) >= self.jobs and all(job["state"] in TERMINAL for job in jobs)

        left = max(0.0, (self.end - now()).total_seconds())
        wait_for("all to end", ended, left + self.lasts_s + 90, 1.0)

    def history(self, court: Court) -> History:
        """Put both accounts together for `tests.checker.check`."""
        dues = tuple(
            Due(self.name, due, 0, min(due + timedelta(seconds=self.lasts_s), self.end))
            for due in (self.start + timedelta(seconds=self.every_s * k) for k in range(self.jobs))
        )
        return court.history(dues, has_witness=False)
