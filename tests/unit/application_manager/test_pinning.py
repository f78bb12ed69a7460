"""Which content a name stands for, by what the machines hold."""

import pytest

from application_manager.domain.pinning import Held, pin, pin_inline, why_not_pinned

NAME = "shop/heating:1"
A, B, C = ("sha256:" + letter * 64 for letter in "abc")


@pytest.mark.parametrize(("holders", "digest"), [
    ([], None),
    ([Held("m1", A)], A),
    ([Held("m1", A), Held("m2", A)], A),
    ([Held("m1", A), Held("m2", B)], None),
    ([Held("m1", A, C), Held("m2", A, C)], C),  # by what any machine can pull
    ([Held("m1", A, C), Held("m2", B, C)], C),  # one manifest, two kinds of processors
    ([Held("m1", A, C), Held("m2", A)], A),  # the second came without a registry
    ([Held("m1", A, C), Held("m2", B)], None),
])  # fmt: skip
def test_a_name_is_pinned_to_what_all_holders_agree_on(holders, digest):
    held = {NAME: holders}
    assert pin(NAME, held) == (f"{NAME}@{digest}" if digest else NAME)
    assert (why_not_pinned(NAME, held) is None) == (digest is not None)


def test_a_digest_that_was_given_stays():
    assert pin(f"{NAME}@{B}", {NAME: [Held("m1", A)]}) == f"{NAME}@{B}"
    assert why_not_pinned(f"{NAME}@{B}", {}) is None


def test_a_name_without_a_tag_is_the_latest():
    assert pin("heating", {"heating:latest": [Held("m1", A)]}) == f"heating@{A}"


def test_what_would_not_fit_is_not_pinned_and_said():
    name = "x" * 200
    held = {f"{name}:latest": [Held("m1", A)]}
    assert pin(name, held) == name
    assert "too long" in why_not_pinned(name, held)


def test_reasons_name_the_machines():
    assert "no machine" in why_not_pinned(NAME, {})
    told = why_not_pinned(NAME, {NAME: [Held("m1", A), Held("m2", B)]})
    assert "m1 sha256:aaaaaaaaaaaa, m2 sha256:bbbbbbbbbbbb" in told


def test_a_file_follows_the_machines_and_falls_back_on_what_ran():
    ran = f"{NAME}@{A}"
    assert pin_inline(NAME, ran, {NAME: [Held("m1", B)]}) == f"{NAME}@{B}"
    assert pin_inline(NAME, ran, {}) == ran
    assert pin_inline(NAME, ran, {NAME: [Held("m1", A), Held("m2", B)]}) == ran
    assert pin_inline("shop/heating:2", ran, {}) == "shop/heating:2"
    assert pin_inline(NAME, None, {}) == NAME
