"""What the machine can do at best, measured in the same run: raw producer, bare SQL, heap."""

from __future__ import annotations

import heapq
import time
from collections.abc import Sequence

from benchmarks.rig import Rig, now, say, specs
from common.bus import TopicSpec
from common.jobs import JobState
from common.messages import encode
from scheduler.domain.schedule import (
    Definition,
    NewJob,
    Schedule,
    first_attempt,
    new_job,
    start_command,
)
from scheduler.ledger import job_row

ROWS_A_COMMIT = 1000


def jobs_of(count: int, prefix: str) -> list[tuple[Schedule, NewJob]]:
    """Make as many jobs as a storm has, under ids of their own."""
    due = now().replace(microsecond=0)
    made = []
    for spec in specs(count, due, 3600):
        definition = Definition(1, spec, "registry/app:1.4", ("python", "-m", "app"))
        schedule = Schedule(f"{prefix}-{spec.id}", 0, definition, "active", due, due)
        made.append((schedule, new_job(schedule, due, 0, JobState.QUEUED)))
    return made


def produced_a_second(rig: Rig, jobs: Sequence[tuple[Schedule, NewJob]]) -> float:
    """Send the same bytes as fast as the producer takes them, and wait for all."""
    rig.bus.create_topics([TopicSpec("benchmark.raw", 16)])
    records = [
        (job.job_id, encode(start_command(schedule.definition, first_attempt(job))))
        for schedule, job in jobs
    ]
    producer = rig.bus.producer()
    producer.send("benchmark.raw", "warm", b"up").wait(10)
    began = time.perf_counter()
    pending = [producer.send("benchmark.raw", key, value) for key, value in records]
    for each in pending:
        each.wait(60)
    rate = len(records) / (time.perf_counter() - began)
    producer.close()
    say(f"raw producer: {rate:,.0f} records/s")
    return rate


def inserted_a_second(rig: Rig, jobs: Sequence[tuple[Schedule, NewJob]]) -> float:
    """Write the same rows of the ledger with bare multi-row statements, a commit each thousand."""
    rows = [job_row(schedule, job, job.due) for schedule, job in jobs]
    began = time.perf_counter()
    for start in range(0, len(rows), ROWS_A_COMMIT):
        with rig.ledger.transaction() as transaction:
            transaction.execute_many("insert_jobs", rows[start : start + ROWS_A_COMMIT])
    rate = len(rows) / (time.perf_counter() - began)
    say(f"bare multi-row SQL: {rate:,.0f} rows/s")
    return rate


def popped_a_second(count: int) -> float:
    """Pop integers off a heap."""
    heap = [(n * 7919) % count << 20 | n for n in range(count)]
    heapq.heapify(heap)
    began = time.perf_counter()
    while heap:
        heapq.heappop(heap)
    rate = count / (time.perf_counter() - began)
    say(f"heap: {rate:,.0f} pops/s")
    return rate
