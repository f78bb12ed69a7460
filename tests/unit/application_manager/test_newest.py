"""Lists of the newest jobs are cut into narrow looks, and merged in order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from application_manager.newest import FEW, Narrow, newest_jobs
from common.jobs import JobState

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
JOBS = [
    {"job_id": f"i-{n % 3}.{n}", "due": NOON + timedelta(minutes=n), "state": state}
    for n, state in enumerate([JobState.FAILED, JobState.LOST, JobState.ENDED] * 4)
]


class Ledger:
    """Answers the queries as the database would, and remembers which were asked."""

    def __init__(self, instances: int = 3) -> None:
        self.asked: list[str] = []
        self.names = [f"i-{n}" for n in range(instances)]

    def all(self, query: str, **wanted: Any) -> list[dict[str, Any]]:
        self.asked.append(query)
        if query == "instances_like":
            return [{"instance_id": name} for name in self.names[: wanted["limit"]]]
        if query == "jobs_by_id":
            return [job for job in JOBS if job["job_id"] in wanted["jobs"]]
        found = [job for job in JOBS if self._fits(job, wanted)]
        found.sort(key=lambda job: job["due"], reverse=True)
        return found[: wanted["limit"]]

    def _fits(self, job: dict[str, Any], wanted: dict[str, Any]) -> bool:
        instance = wanted.get("instance")
        return (
            wanted["state"] in (None, job["state"])
            and (instance is None or job["job_id"].startswith(instance + "."))
            and (wanted["due"] is None or job["due"] < wanted["due"])
        )


def ids(ledger: Ledger, **wanted: Any) -> list[str]:
    return [row["job_id"] for row in newest_jobs(ledger, Narrow(**wanted))]  # type: ignore[arg-type]


def test_several_states_are_merged_newest_first_and_cut() -> None:
    ledger = Ledger()
    bad = (JobState.FAILED, JobState.LOST)
    assert ids(ledger, states=bad, limit=3) == ["i-1.10", "i-0.9", "i-1.7"]
    assert ledger.asked == ["newest_ids_in_state", "newest_ids_in_state", "jobs_by_id"]


def test_a_page_goes_on_where_the_last_one_ended() -> None:
    bad = (JobState.FAILED, JobState.LOST)
    after = (NOON + timedelta(minutes=7), "i-1.7")
    assert ids(Ledger(), states=bad, after=after, limit=3) == ["i-0.6", "i-1.4", "i-0.3"]


def test_a_state_with_another_filter_needs_the_rows() -> None:
    ledger = Ledger()
    assert ids(ledger, states=(JobState.LOST,), instance="i-1", limit=1) == ["i-1.10"]
    assert ledger.asked[0] == "newest_ids"


def test_a_word_in_few_instances_is_looked_for_in_each() -> None:
    ledger = Ledger()
    assert ids(ledger, word="i", limit=2) == ["i-2.11", "i-1.10"]
    assert ledger.asked == ["instances_like", *["newest_ids"] * 3, "jobs_by_id"]


def test_a_word_in_many_instances_is_looked_for_in_the_ledger() -> None:
    ledger = Ledger(FEW + 1)
    ids(ledger, word="i")
    assert ledger.asked == ["instances_like", "newest_ids", "jobs_by_id"]


def test_a_word_that_no_instance_has_asks_the_ledger_nothing() -> None:
    ledger = Ledger(0)
    assert ids(ledger, word="nope") == []
    assert ledger.asked == ["instances_like"]
