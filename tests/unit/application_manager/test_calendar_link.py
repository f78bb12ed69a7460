"""What a calendar link shows is written in its secret."""

import pytest

from application_manager.domain.calendar_link import LONGEST_LINK, Shown, shown_of
from common.schedule import InstanceSpec

SPECS = [InstanceSpec(id="a", app="x"), InstanceSpec(id="b", app="x"), InstanceSpec(id="c", app="y")]


@pytest.mark.parametrize(("shown", "ids"), [
    (Shown(), ["a", "b", "c"]), (Shown(instance="b"), ["b"]), (Shown(application="x"), ["a", "b"]),
    (Shown(application="v1.2"), []), (Shown(instance="gone"), []),
])  # fmt: skip
def test_a_secret_tells_what_it_shows(shown: Shown, ids: list[str]) -> None:
    secret = shown.secret_of("r4nd-om_")
    assert shown_of(secret) == shown
    assert [spec.id for spec in shown_of(secret).choose(SPECS)] == ids


def test_the_longest_name_has_a_link() -> None:
    assert len(Shown(application="n" * 64).secret_of("r" * 43)) <= LONGEST_LINK
