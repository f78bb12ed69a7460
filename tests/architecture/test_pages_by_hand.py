"""What is written by hand in the documents and can be held against the code."""

import ast
import re

from application_manager.dashboard.render import NAVIGATION
from cli.errors import ExitCode
from common.jobs import Reason
from platform_initializer.document_provision import OPTIONS
from platform_initializer.domain.description import SERVICES
from scheduler.domain.job import MOVES
from scripts.reference.source import ROOT

DOCS = ROOT / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_the_drawing_of_states_has_all_of_them_and_only_legal_moves():
    drawn = re.search(r"stateDiagram-v2\n(.*?)```", page("architecture.md"), re.DOTALL)[1]
    moves = re.findall(r"^ *(\w+|\[\*\]) --> (\w+)", drawn, re.MULTILINE)
    assert {after for _, after in moves} == {state.value for ends in MOVES.values() for state in ends}
    table = {(before.value if before else "[*]", after.value)
             for before, ends in MOVES.items() for after in ends}  # fmt: skip
    assert set(moves) <= table


def test_the_page_of_the_platform_file_has_every_key():
    files = (ROOT / "platform_initializer").glob("document*.py")
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    known = {
        text.value
        for tree in trees
        for node in ast.walk(tree)
        if (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in {"known", "_TOP"})
        or (isinstance(node, ast.keyword) and node.arg == "known")
        for text in ast.walk(node.value)
        if isinstance(text, ast.Constant)
    }
    rows = re.findall(r"^\| `([^`]+)` \|", page("reference/platform-file.md"), re.MULTILINE)
    named = {part.removesuffix("[]") for row in rows for part in row.split(".")}
    known |= {key for keys in OPTIONS.values() for key in keys}
    assert known - named == set(), "docs/reference/platform-file.md lacks them"
    assert named - known - {"publish", "<service>", *SERVICES} == set()


def test_the_page_of_containers_has_every_variable_they_are_given():
    source = (ROOT / "node_manager/client/domain/container.py").read_text(encoding="utf-8")
    given = set(re.findall(r"ROTA_[A-Z_]+", source))
    told = set(re.findall(r"`(ROTA_[A-Z_]+)", page("reference/containers.md")))
    assert given == told


def test_the_operators_reasons_are_those_of_the_ledger():
    said = re.findall(r"`(\w+)`: ", page("quick-starts/operator.md"))
    reasons = {reason.value for reason in Reason}
    assert set(said) <= reasons
    assert len(said) > 5


def test_the_page_of_the_screens_has_their_keys():
    told = re.findall(r"^\| `(g \w)` \| (.+) \|$", page("page.md"), re.MULTILINE)
    assert told == [(keys, label) for _, _, label, keys in NAVIGATION]


def test_exit_codes_in_sentences_are_those_of_the_command():
    codes = {str(int(code)) for code in ExitCode}
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"# exit (\d+)", text)) <= codes, path.name
