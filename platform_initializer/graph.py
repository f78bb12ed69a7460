"""Runs steps side by side, each as soon as what it waits for is done.

One that fails stops only those that wait for it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from common.errors import RotaError
from platform_initializer.domain.steps import Step
from platform_initializer.errors import Failure, MachineError
from platform_initializer.progress import Progress


@dataclass
class Outcome:
    """How a run went. Owned by the thread that runs the graph."""

    done: list[Step] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    skipped: list[Step] = field(default_factory=list)


def run_steps(steps: Sequence[Step], progress: Progress, parallel: int) -> Outcome:
    """Run all steps; a step's `after` that is not among them counts as done already."""
    outcome = Outcome()
    waiting = {step.key: step for step in steps}
    running: dict[Future[Failure | None], Step] = {}
    bad: set[str] = set()
    with ThreadPoolExecutor(parallel) as threads:
        while waiting or running:
            _skip_hopeless(waiting, bad, outcome, progress)
            unfinished = set(waiting) | {step.key for step in running.values()}
            for step in [s for s in waiting.values() if not s.after & unfinished]:
                running[threads.submit(_run_one, step, progress)] = waiting.pop(step.key)
            if not running:
                break
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            bad |= _note_ends(finished, running, outcome)
    return outcome


def _note_ends(
    finished: set[Future[Failure | None]], running: dict[Future[Failure | None], Step],
    outcome: Outcome,
) -> set[str]:  # fmt: skip
    """Sort what ended into the outcome; return the keys of what failed."""
    bad = set()
    for future in finished:
        step, failure = running.pop(future), future.result()
        if failure is None:
            outcome.done.append(step)
        else:
            bad.add(step.key)
            outcome.failures.append(failure)
    return bad


def _skip_hopeless(
    waiting: dict[str, Step], bad: set[str], outcome: Outcome, progress: Progress
) -> None:
    while hopeless := [step for step in waiting.values() if step.after & bad]:
        for step in hopeless:
            del waiting[step.key]
            bad.add(step.key)
            outcome.skipped.append(step)
            progress.skipped(step)


def _run_one(step: Step, progress: Progress) -> Failure | None:
    progress.started(step)
    began = time.monotonic()
    try:
        step.run()
    except MachineError as error:
        failure = error.failure
    except RotaError as error:
        failure = Failure(step.machine, step.title, str(error))
    else:
        progress.finished(step, time.monotonic() - began)
        return None
    progress.failed(step, failure)
    return failure
