"""Lives through seeds: ``python -m tests.simulation.run FIRST COUNT`` or ``... SEED --trace``.

One JSON line for each seed whose history breaks a promise, and one with the figures at the end.
PYTHONHASHSEED must be 0, so that a seed replays exactly.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import structlog

from tests.checker.check import check
from tests.simulation.away import away_scenario, unheeded
from tests.simulation.failpoints import ACTS, all_failpoints, arm, disarm
from tests.simulation.platform import Platform
from tests.simulation.sabotage import SABOTAGE
from tests.simulation.scenario import (
    Scenario,
    long_scenario,
    make_scenario,
    thorough_scenario,
)


def live(
    scenario: Scenario, *, is_verbose: bool = False, failpoint: tuple[str, str] | None = None,
    sabotage: Callable[[Platform], None] = lambda _platform: None,
) -> dict[str, Any]:
    """Live through one scenario; return what is wrong, and figures."""
    platform = Platform(scenario)
    world = platform.world
    world.is_verbose = is_verbose
    sabotage(platform)
    passed = arm(world, *failpoint, times=2) if failpoint else lambda: 0
    try:
        history = platform.live_in_stretches() if scenario.is_long else platform.live()
        found = [f"{one.promise} {one.text}" for one in check(history)]
        found += unheeded(history, scenario) if scenario.is_away else []
        found += [f"{job} has not ended" for job in platform.unsettled()]
        found += [f"service failed: {error}" for error in world.errors]
        return {
            "seed": scenario.seed, "violations": found, "digest": world.digest,
            "passed": passed(), "jobs": len(history.rows), "runs": len(history.docker),
            "crashes": sum(p.lives - 1 for p in world.processes),
            "calls": world.calls, "simulated_s": world.time,
            "trace": world.trace, "tracebacks": list(world.errors.values()),
        }  # fmt: skip
    finally:
        disarm()
        platform.close()


def main(arguments: list[str]) -> int:
    if os.environ.get("PYTHONHASHSEED") != "0":
        print("set PYTHONHASHSEED=0: seeds replay exactly only then", file=sys.stderr)
        return 2
    modes: dict[str, Callable[[list[str]], int]] = {
        "--trace": _replay, "--days": _pass_days, "--failpoints": _try_failpoints, "--sabotage": _sabotage,
        "--digest": _tell_digest, "--away": _live_through_away,
    }  # fmt: skip
    for mode, run in modes.items():
        if mode in arguments:
            return run(arguments)
    return _live_through(arguments)


def _live_through_away(arguments: list[str]) -> int:
    return _live_through([each for each in arguments if each != "--away"], away_scenario)


def _live_through(
    arguments: list[str], make: Callable[[int], Scenario] = make_scenario
) -> int:
    """Live through every STEPth of COUNT seeds from FIRST on."""
    quiet()
    first, count = int(arguments[0]), int(arguments[1])
    step = int(arguments[2]) if len(arguments) > 2 else 1
    began = time.monotonic()
    totals = {"seeds": 0, "failed": 0, "jobs": 0, "runs": 0, "crashes": 0, "calls": 0,
              "simulated_s": 0.0}  # fmt: skip
    for seed in range(first, first + count, step):
        print(f"seed {seed}", file=sys.stderr, flush=True)
        outcome = live(make(seed))
        totals["seeds"] += 1
        for name in ("jobs", "runs", "crashes", "calls", "simulated_s"):
            totals[name] += outcome[name]
        if outcome["violations"]:
            totals["failed"] += 1
            outcome.pop("trace"), outcome.pop("tracebacks")
            print(json.dumps(outcome), flush=True)
    print(json.dumps({"totals": totals, "seconds": round(time.monotonic() - began, 2),
                      "cpu_s": round(time.process_time(), 2)}))
    return 1 if totals["failed"] else 0


def _try_failpoints(arguments: list[str]) -> int:
    """Let processes suffer at one failpoint after the other."""
    quiet()
    names = [name for name in all_failpoints() if name in arguments or "all" in arguments]
    is_good = True
    for name in names:
        for act in ACTS:
            outcome = live(thorough_scenario(), failpoint=(name, act))
            is_good = is_good and outcome["passed"] > 0 and not outcome["violations"]
            told = {key: outcome[key] for key in ("passed", "violations", "crashes")}
            print(json.dumps({"failpoint": name, "act": act, **told}), flush=True)
    return 0 if is_good else 1


def _tell_digest(arguments: list[str]) -> int:
    quiet()
    print(json.dumps({"digest": live(make_scenario(int(arguments[0])))["digest"]}))
    return 0


def _sabotage(_: list[str]) -> int:
    """Break the platform in each known way; tell which promises the checker misses."""
    quiet()
    for name, (break_it, _) in SABOTAGE.items():
        outcome = live(thorough_scenario(), sabotage=break_it)
        print(json.dumps({"sabotage": name, "violations": outcome["violations"]}), flush=True)
    return 0


def _pass_days(arguments: list[str]) -> int:
    quiet()
    days = int(arguments[1])
    began = time.process_time()
    outcome = live(long_scenario(days))
    del outcome["trace"], outcome["tracebacks"]
    print(json.dumps({**outcome, "cpu_s": round(time.process_time() - began, 2)}))
    return 1 if outcome["violations"] else 0


def _replay(arguments: list[str]) -> int:
    seed = int(arguments[0])
    if "--logs" not in arguments:
        quiet()
    make = away_scenario if "--away" in arguments else make_scenario
    outcome = live(make(seed), is_verbose=True)
    print("\n".join(outcome.pop("trace") + outcome.pop("tracebacks")))
    print(json.dumps(outcome, indent=1))
    return 1 if outcome["violations"] else 0


def quiet() -> None:
    """Services' logs are not what is looked at."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.ReturnLoggerFactory(),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
