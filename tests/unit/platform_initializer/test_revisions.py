"""What ran before, and which of it to go back to."""

from datetime import UTC, datetime

import pytest

from platform_initializer.revisions import KEPT, NoRevisionError, Revisions

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def kept(tmp_path):
    return Revisions(tmp_path / "secrets.json")


def test_the_last_one_with_another_image_is_gone_back_to(kept):
    for image in ("a", "b", "b"):
        kept.add(NOW, {"rota/services:dev": image}, 1)
    assert kept.target(None).number == 1
    assert kept.target(2).images == {"rota/services:dev": "b"}


def test_where_there_is_none_it_says_so(kept):
    with pytest.raises(NoRevisionError):
        kept.target(None)
    kept.add(NOW, {"rota/services:dev": "a"}, 1)
    with pytest.raises(NoRevisionError, match="no earlier one"):
        kept.target(None)
    with pytest.raises(NoRevisionError, match="no 9"):
        kept.target(9)


def test_the_oldest_are_dropped_and_numbers_go_on(kept):
    for n in range(KEPT + 5):
        kept.add(NOW, {"x": str(n)}, 1)
    numbers = [one.number for one in kept.all()]
    assert numbers == list(range(6, KEPT + 6))
