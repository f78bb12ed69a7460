"""How evenly bursts spread with samples two seconds old, against other ways of choosing."""

import pytest

from benchmarks.quality import max_over_mean


@pytest.mark.parametrize("seed", range(5))
def test_a_burst_spreads_within_five_percent_and_better_than_by_two_choices(seed: int) -> None:
    ours, two_choices, rand, offline = (
        max_over_mean(100, 2000, way, seed) for way in ("ours", "two_choices", "random", "offline")
    )
    assert ours <= 1.05
    assert ours < two_choices
    assert ours < rand
    assert ours <= 1.05 * offline


@pytest.mark.parametrize("seed", range(3))
def test_samples_two_seconds_old_cost_no_evenness_against_knowing_the_present(seed: int) -> None:
    ours, online = (max_over_mean(50, 500, way, seed) for way in ("ours", "online"))
    assert ours == pytest.approx(online, rel=1e-6)
