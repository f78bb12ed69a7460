"""Texts to trees: core-rule scalars, places, limits, and everything that is refused."""

from __future__ import annotations

import pytest

from common.documents import Mapping, Node, Problem, Scalar, Sequence, bounded, read_document


def plain(node: Node | None) -> object:
    match node:
        case Mapping():
            return {key.text: plain(value) for key, value in node.entries}
        case Sequence():
            return [plain(item) for item in node.items]
        case Scalar():
            return node.value
        case _:
            return "unread"


def read(text: str | bytes, file: str = "f.yml") -> object:
    document = read_document(text, file)
    assert document.problems == ()
    return plain(document.root)


def refused(text: str | bytes, file: str = "f.yml") -> list[tuple[int | None, int | None, str, str]]:
    problems = bounded(read_document(text, file).problems)
    return [(p.line, p.column, p.path, p.code) for p in problems]


@pytest.mark.parametrize(
    "text",
    ["13:00", "on", "off", "yes", "no", "y", "22:00:00", "010", "1e3", "0x1F", "0o17", "1_000", "1,5", "2026-01-31",
     "2026-01-31T08:00", ".inf", ".nan", "+", "--1", "1.2.3", "08", "=", "tRue", "nULL", "12345678901234567890"],
)  # fmt: skip
def test_what_older_rules_take_for_something_else_stays_text(text: str) -> None:
    assert read(f"a: {text}") == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("True", True), ("FALSE", False), ("0", 0), ("-12", -12), ("+5", 5), ("0.5", 0.5), ("-1.25", -1.25),
     (".5", 0.5), ("null", None), ("~", None), ("", None), ("NULL", None)],
)  # fmt: skip
def test_core_scalars_have_their_type(text: str, value: object) -> None:
    found = read(f"a: {text}")
    assert found == {"a": value}
    assert type(found["a"]) is type(value)


@pytest.mark.parametrize("text", ["'true'", '"12"', "'~'", '""', "'1.5'", '"null"'])
def test_a_quoted_scalar_is_text(text: str) -> None:
    assert read(f"a: {text}") == {"a": text[1:-1]}


def test_block_text_is_text() -> None:
    assert read("a: |\n  12\n") == {"a": "12\n"}


def test_every_node_has_its_place_counted_from_1() -> None:
    root = read_document("a: 1\nüb:\n  - x\n  - {k: v}\n", "f.yml").root
    assert isinstance(root, Mapping)
    assert [(key.text, key.line, key.column) for key, _ in root.entries] == [("a", 1, 1), ("üb", 2, 1)]
    sequence = root.entries[1][1]
    assert isinstance(sequence, Sequence)
    assert [(item.line, item.column) for item in sequence.items] == [(3, 5), (4, 5)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", [(3, 1, "a", "duplicate_key")]),
        ("x:\n- {k: 1, 'k': 2}\n", [(2, 10, "x[0].k", "duplicate_key")]),
        ("a: &n 1\n", [(1, 4, "a", "anchor")]),
        ("a: &n {b: 1}\n", [(1, 4, "a", "anchor")]),
        ("a: &n 1\nb: *n\n", [(1, 4, "a", "anchor"), (2, 4, "b", "alias")]),
        ("a: !!str 1\n", [(1, 4, "a", "tag")]),
        ("a: !x {b: 1}\n", [(1, 4, "a", "tag")]),
        ("a: ! x\n", [(1, 4, "a", "tag")]),
        ("! x\n", [(1, 1, "", "tag")]),
        ("!\n", [(1, 1, "", "tag")]),
        ("a: !!python/object/apply:os.system [x]\n", [(1, 4, "a", "tag")]),
        ("a: {}\nb: {<<: {c: 1}}\n", [(2, 5, "b.<<", "merge_key")]),
        ("<<: *n\n", [(1, 1, "<<", "merge_key"), (1, 5, "<<", "alias")]),
        ("? [a]\n: 1\n", [(1, 3, "", "bad_key")]),
        ("? {a: 1}\n: 1\n", [(1, 3, "", "bad_key")]),
        ("a: 1\n---\nb: 2\n", [(2, 1, "", "many_documents")]),
        ("a: 1\n...\n---\nb: 2\n", [(3, 1, "", "many_documents")]),
        ("a: [1\n", [(2, 1, "", "not_yaml")]),
        ("a: b: c\n", [(1, 5, "", "not_yaml")]),
        ("\ta: 1\n", [(1, 1, "", "not_yaml")]),
        ("a: 'x\n", [(2, 1, "", "not_yaml")]),
        ("a: %x\n", [(1, 4, "", "not_yaml")]),
        ("a: b\nc: \x07\n", [(2, 4, "", "not_yaml")]),
        ('a: "\\0"\n', [(1, 4, "a", "not_text")]),
        ("", [(None, None, "", "empty")]),
        ("# nothing\n", [(None, None, "", "empty")]),
        ("---\n", [(None, None, "", "empty")]),
    ],
)  # fmt: skip
def test_what_is_refused_is_told_at_its_place(text: str, expected: list[object]) -> None:
    assert refused(text) == expected


def test_all_refusals_are_told_and_the_rest_is_read() -> None:
    document = read_document("a: &x 1\nb: *x\nc: {d: 1, d: 2}\ne: fine\n", "f.yml")
    assert document.root is None
    assert [p.code for p in document.problems] == ["anchor", "alias", "duplicate_key"]
    assert plain(document.tree) == {"a": 1, "b": "unread", "c": {"d": 1}, "e": "fine"}


@pytest.mark.parametrize("levels", [20, 21])
@pytest.mark.parametrize(("opening", "closing", "file"), [
    ("[", "]", "f.yml"), ("{a: ", "}", "f.yml"), ("[", "]", "f.json"), ('{"a":', "}", "f.json")])  # fmt: skip
def test_twenty_levels_may_nest_and_no_more(levels: int, opening: str, closing: str, file: str) -> None:
    inside = "1" if opening != "[" else ""
    text = opening * levels + inside + closing * levels
    codes = [code for *_, code in refused(text, file)]
    assert codes == ([] if levels == 20 else ["too_deep"])


def test_a_block_may_nest_twenty_levels_and_no_more() -> None:
    lines = "".join(f"{'  ' * i}a:\n" for i in range(20))
    assert refused(lines + "  " * 20 + "x\n") == []
    assert refused(lines + "  " * 20 + "a: x\n") == [(21, 41, "", "too_deep")]


def test_a_place_beyond_the_depth_is_told() -> None:
    assert refused("{a: " * 21 + "1" + "}" * 21) == [(1, 81, "", "too_deep")]
    assert refused("[" * 21 + "]" * 21, "f.json") == [(1, 21, "", "too_deep")]


def test_256_kib_are_read_and_a_byte_more_is_not() -> None:
    text = b"a: " + b"x" * (256 * 1024 - 3)
    assert refused(text) == []
    assert refused(text + b"x") == [(None, None, "", "too_large")]
    assert refused("a: " + "é" * (128 * 1024)) == [(None, None, "", "too_large")]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
@pytest.mark.parametrize("file", ["f.yml", "f.json"])
def test_another_encoding_is_a_problem(encoding: str, file: str) -> None:
    [(*_, code)] = refused('{"a": "é"}'.encode(encoding), file)
    assert code in {"not_utf8", "not_yaml", "not_json"}


@pytest.mark.parametrize("file", ["f.yml", "f.json"])
def test_a_bom_is_taken_off(file: str) -> None:
    assert read(b'\xef\xbb\xbf{"a": "\xc3\xa9"}', file) == {"a": "é"}
    assert read('\ufeff{"a": 1}', file) == {"a": 1}
    root = read_document(b'\xef\xbb\xbf{"a": 1}', file).root
    assert isinstance(root, Mapping)
    assert (root.line, root.column, root.entries[0][0].column) == (1, 1, 2)


def test_windows_line_ends_count_as_one() -> None:
    assert refused("a: 1\r\nb: 2\r\na: 3\r\n") == [(3, 1, "a", "duplicate_key")]


def test_json_is_not_read_by_the_rules_of_yaml() -> None:
    assert read('{\n\t"a":\t[1e3, -0.5, 1E2, 12],\n\t"b": "\\/ \\ud83d\\ude42"}', "f.json") == {
        "a": [1000.0, -0.5, 100.0, 12], "b": "/ 🙂",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1,\n "a": 2}', [(2, 2, "a", "duplicate_key")]),
        ('{"x": [{"k": 1, "k": 2}]}', [(1, 17, "x[0].k", "duplicate_key")]),
        ('{"a":\n NaN}', [(2, 2, "", "not_json")]),
        ('{"a": [1, -Infinity]}', [(1, 11, "", "not_json")]),
        ('{"a": 1,}', [(1, 9, "", "not_json")]),
        ("{a: 1}", [(1, 2, "", "not_json")]),
        ("{'a': 1}", [(1, 2, "", "not_json")]),
        ('{"a": 1} x', [(1, 10, "", "not_json")]),
        ('{"a": 1}{"a": 1}', [(1, 9, "", "not_json")]),
        ('{"a": 010}', [(1, 8, "", "not_json")]),
        ('{"a": "\t"}', [(1, 8, "", "not_json")]),
        ('{"a": // no\n 1}', [(1, 7, "", "not_json")]),
        ('{"a": "\\ud800"}', [(1, 7, "a", "not_text")]),
        ('{"a": "\\u0000"}', [(1, 7, "a", "not_text")]),
        ("", [(None, None, "", "empty")]),
        ("  \n", [(None, None, "", "empty")]),
    ],
)  # fmt: skip
def test_json_is_refused_at_its_place(text: str, expected: list[object]) -> None:
    assert refused(text, "f.json") == expected


def test_json_is_known_by_its_name_or_its_beginning() -> None:
    assert read('{"a": 1e3}', "-") == {"a": 1000.0}
    assert read('{"a": 1e3}', "F.JSON") == {"a": 1000.0}
    assert read('{"a": 1e3}', "f.yaml") == {"a": "1e3"}
    assert read("{a: 1e3}", "-") == {"a": "1e3"}


def test_a_huge_number_is_no_integer() -> None:
    assert read("9" * 5000, "f.json") == float("inf")


def test_a_long_key_does_not_make_a_long_path() -> None:
    text = "? " + "k" * 100_000 + "\n: {" + "a: 1, " * 20_000 + "}\n"
    problems = read_document(text, "f.yml").problems
    assert 200 < len(problems) < 1000
    assert all(isinstance(p, Problem) and len(p.path) < 200 for p in problems)
