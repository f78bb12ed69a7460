"""Checks of a tree: each method gives the value, or notes a problem at the node's own place."""

from __future__ import annotations

import pytest

from common.documents import Checker, Mapping, Node, Problem, bounded, read_document


def tree(text: str) -> Node:
    root = read_document(text, "f.yml").tree
    assert root is not None
    return root


def value_of(text: str) -> Node:
    root = tree(f"k: {text}\n")
    assert isinstance(root, Mapping)
    return root.entries[0][1]


def noted(checker: Checker) -> list[tuple[int | None, int | None, str, str]]:
    return [(p.line, p.column, p.path, p.code) for p in checker.problems]


def test_a_mapping_gives_its_values_and_tells_what_is_wrong_with_its_keys() -> None:
    checker = Checker("f.yml")
    root = tree("good: 1\nbadd: 2\nempty:\n")
    values = checker.mapping(root, "p", known={"good", "bad", "empty", "must"}, required=("must",))
    assert list(values) == ["good"]
    assert noted(checker) == [
        (2, 1, "p.badd", "unknown_key"), (3, 7, "p.empty", "null"), (1, 1, "p.must", "missing_key"),
    ]  # fmt: skip
    assert checker.problems[0].hint == "did you mean `bad`?"


def test_a_null_key_is_not_missing() -> None:
    checker = Checker("f.yml")
    checker.mapping(tree("must:\n"), "", known={"must"}, required=("must",))
    assert [code for *_, code in noted(checker)] == ["null"]


@pytest.mark.parametrize("text", ["[a]", "{a: 1}", "~", "12", "true"])
def test_text_is_not_anything_else(text: str) -> None:
    checker = Checker("f.yml")
    assert checker.text(value_of(text), "k") is None
    assert noted(checker) == [(1, 4, "k", "null" if text == "~" else "wrong_type")]


@pytest.mark.parametrize(("text", "found"), [("12", "12"), ("010", "010"), ("true", "true"), ("x", "x"), ("1.50", "1.50")])
def test_any_scalar_may_be_taken_as_it_is_written(text: str, found: str) -> None:
    assert Checker("f.yml").text(value_of(text), "k", any_scalar=True) == found


@pytest.mark.parametrize("text", ["true", "'3'", "1.0", "x", "[3]", "0x3"])
def test_an_integer_is_a_whole_number(text: str) -> None:
    checker = Checker("f.yml")
    assert checker.integer(value_of(text), "k", 1, 5) is None
    assert [code for *_, code in noted(checker)] == ["wrong_type"]


@pytest.mark.parametrize(("text", "found"), [("1", 1), ("5", 5), ("0", None), ("6", None)])
def test_an_integer_lies_within_its_limits(text: str, found: int | None) -> None:
    checker = Checker("f.yml")
    assert checker.integer(value_of(text), "k", 1, 5) == found
    assert (found is None) == ([code for *_, code in noted(checker)] == ["out_of_range"])


def test_numbers_booleans_and_choices() -> None:
    checker = Checker("f.yml")
    assert checker.number(value_of("0.5"), "k", 0, 1) == 0.5
    assert checker.number(value_of("1"), "k", 0, 1) == 1.0
    assert checker.boolean(value_of("true"), "k") is True
    assert checker.choice(value_of("skip"), "k", ("skip", "allow")) == "skip"
    assert checker.problems == []
    assert checker.number(value_of("yes"), "k", 0, 1) is None
    assert checker.boolean(value_of("yes"), "k") is None
    assert checker.choice(value_of("skp"), "k", ("skip", "allow")) is None
    assert checker.choice(value_of("zzz"), "k", ("skip", "allow")) is None
    assert [p.code for p in checker.problems] == ["wrong_type", "wrong_type", "bad_value", "bad_value"]
    assert [p.hint for p in checker.problems[2:]] == ["did you mean `skip`?", "one of skip, allow"]


def test_one_scalar_stands_for_a_list_of_one() -> None:
    checker = Checker("f.yml")
    assert [path for _, path in checker.items(value_of("x"), "k")] == ["k"]
    assert [path for _, path in checker.items(value_of("[x, y]"), "k")] == ["k[0]", "k[1]"]
    assert checker.items(value_of("{x: 1}"), "k") == []
    assert noted(checker) == [(1, 4, "k", "wrong_type")]


def test_of_what_the_reader_refused_nothing_more_is_said() -> None:
    checker = Checker("f.yml")
    node = value_of("*x")
    assert checker.mapping(node, "k") == {}
    assert checker.text(node, "k") is None
    assert checker.integer(node, "k", 0, 1) is None
    assert [checker.text(item, path) for item, path in checker.items(node, "k")] == [None]
    assert checker.problems == []


def problem(number: int, file: str = "f") -> Problem:
    return Problem(file, number, 1, "", "code", "message")


def test_problems_come_in_the_order_of_the_file_and_without_twins() -> None:
    assert bounded([problem(3), problem(1), problem(3)]) == (problem(1), problem(3))


@pytest.mark.parametrize("count", [200, 201, 5000])
def test_two_hundred_problems_of_a_file_are_told_and_that_there_are_more(count: int) -> None:
    told = bounded([problem(number) for number in range(count)] + [problem(1, "g")])
    of_file = [p for p in told if p.file == "f"]
    assert told[-1] == problem(1, "g")
    if count == 200:
        assert len(of_file) == 200
    else:
        assert len(of_file) == 201
        assert of_file[-1].code == "too_many_problems"
        assert str(count - 200) in of_file[-1].message
