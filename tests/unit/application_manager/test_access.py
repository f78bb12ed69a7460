"""Roles, and how long a guesser waits."""

from application_manager.domain.access import Role, role_of, wait_after

DAY_S = 86_400


def test_each_role_may_all_that_the_one_below_may():
    assert Role.VIEWER < Role.OPERATOR < Role.ADMIN
    assert [role_of(role.label) for role in Role] == list(Role)


def test_the_wait_is_nothing_at_first_and_doubles_up_to_a_quarter_of_an_hour():
    assert [wait_after(n) for n in (0, 3, 4, 5, 6, 13, 14, 10_000)] == [0, 0, 1, 2, 4, 512, 900, 900]


def test_ten_thousand_guesses_take_a_hundred_days():
    assert sum(wait_after(n) for n in range(10_000)) > 100 * DAY_S
