"""Reading queries.sql and putting parameters into statements."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.db.migrate import Migration
from common.db.queries import Statement, load_queries, parse_queries
from common.errors import ConfigError


def escape(values):
    return [repr(value).encode() for value in values]


def test_blocks_become_named_statements_without_comments():
    queries = parse_queries(
        "-- about the file\n-- name: one\n-- tells why\nSELECT 1\n  FROM x;\n\n-- name: two\nSELECT 2")
    assert queries.names() == ["one", "two"]
    assert queries["one"].text == "SELECT 1\n  FROM x"


@pytest.mark.parametrize("text", ["-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;", "-- name: a\n-- x\n"])
def test_a_name_twice_or_without_statement_is_refused(text):
    with pytest.raises(ConfigError):
        parse_queries(text)


def test_an_unknown_query_is_named():
    with pytest.raises(ConfigError, match="nope"):
        parse_queries("")["nope"]


def test_parameters_are_replaced_wherever_they_stand():
    statement = Statement("q", "SELECT %(a)s, '%', %(b)s, %(a)s")
    rendered = statement.render({"a": 1, "b": "%(a)s"}, escape)
    assert rendered == b"SELECT 1, '%', '%(a)s', 1"


def test_a_missing_parameter_is_an_error():
    with pytest.raises(KeyError):
        Statement("q", "%(a)s").render({}, escape)


def test_lists_expand():
    statement = Statement("q", "IN %(ids)s")
    assert statement.render({"ids": [1, 2]}, escape) == b"IN (1, 2)"
    assert statement.render({"ids": []}, escape) == b"IN (NULL)"


def test_the_values_tuple_is_found_whatever_is_in_it():
    text = "INSERT INTO t (a, b)\nVALUES (%(a)s, CONCAT(%(b)s, ')'))\nON DUPLICATE KEY UPDATE a = VALUES(a)"
    before, row, after = Statement("q", text).split_values()
    assert before == "INSERT INTO t (a, b)\nVALUES "
    assert row.text == "(%(a)s, CONCAT(%(b)s, ')'))"
    assert after == "\nON DUPLICATE KEY UPDATE a = VALUES(a)"
    rows = [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    assert row.render_many(rows, escape) == b"(1, CONCAT(2, ')')),(3, CONCAT(4, ')'))"


def test_of_many_rows_the_driver_escapes_what_may_need_it_and_each_value_once():
    seen = []
    row = Statement("q", "(%(a)s, %(b)s, 100%, %(c)s)")
    rows = [{"a": n, "b": text, "c": 7} for n, text in enumerate(["x%s", "it's", "a\\", "\0", "it's"])]
    made = row.render_many(rows, lambda values: seen.extend(values) or escape(values))
    assert made.split(b"),(")[:2] == [b"(0, 'x%s', 100%, 7", b"1, \"it's\", 100%, 7"]
    assert seen == [0, 1, 2, 3, 4, "it's", "a\\", "\0", 7]
    assert Statement("q", "(DEFAULT)").render_many([{}, {}], escape) == b"(DEFAULT),(DEFAULT)"


@given(st.text())
def test_a_text_that_is_quoted_here_ends_where_its_quotes_do(text):
    literal = Statement("q", "%(a)s").render_many([{"a": text}], lambda values: [b"?"] * len(values))
    is_plain = not {"'", "\\", "\0"} & set(text)
    assert literal == (b"'" + text.encode() + b"'" if is_plain else b"?")


@pytest.mark.parametrize("text", ["SELECT 1", "INSERT INTO t VALUES (%(a)s"])
def test_a_statement_without_a_whole_tuple_cannot_be_repeated(text):
    with pytest.raises(ConfigError):
        Statement("q", text).split_values()


def test_datetimes_become_naive_utc():
    seen = []
    Statement("q", "%(at)s").render(
        {"at": datetime(2026, 1, 1, tzinfo=UTC)}, lambda values: seen.extend(values) or [b""])
    assert seen == [datetime(2026, 1, 1)]


def test_every_package_has_the_common_queries_too(tmp_path, monkeypatch):
    (tmp_path / "toy_queries").mkdir()
    (tmp_path / "toy_queries" / "queries.sql").write_text("-- name: own\nSELECT 1;\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert set(load_queries("toy_queries").names()) == {"database_now", "own"}


def test_migration_statements_end_at_a_line_end_only():
    text = "-- c;\nCREATE TABLE a (x VARCHAR(9) DEFAULT 'a;b');  \nSELECT 1;\n\n"
    assert Migration("0001_a.sql", text).statements() == [
        "CREATE TABLE a (x VARCHAR(9) DEFAULT 'a;b')", "SELECT 1"]
