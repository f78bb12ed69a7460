"""Guessing passwords: 10,000 tries, one a second, against the back-off, on a clock moved by hand."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from application_manager.people import LoginRefusedError, TooManyTriesError
from tests.service.application_manager.bench import World


def test_of_ten_thousand_guesses_some_twenty_reach_a_password(world: World) -> None:
    outcomes: Counter[str] = Counter()
    for number in range(10_000):
        try:
            world.parts.people.log_in("admin", f"guess {number}", "203.0.113.9")
        except (LoginRefusedError, TooManyTriesError) as error:
            outcomes[type(error).__name__] += 1
        world.clock.advance(timedelta(seconds=1))
    assert outcomes["LoginRefusedError"] <= 25, "the wait doubles up to 15 minutes"
    assert outcomes["LoginRefusedError"] >= 15, "it waits, it does not lock out"
    assert outcomes.total() == 10_000
