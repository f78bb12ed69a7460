"""The pages of docs/reference that are drawn from the code are what the code says."""

import ast
import sys
from importlib import import_module

import pytest
from prometheus_client import REGISTRY

from scripts.reference import metrics, settings
from scripts.reference.pages import FOLDER, PAGES
from scripts.reference.source import PACKAGES, ROOT, SERVICES


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_reference_is_what_the_code_says(name):
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name](), (
        "run: python -m scripts.reference"
    )


def test_the_page_of_metrics_names_what_the_services_register():
    for room in (*SERVICES, "node_manager.client"):
        import_module(f"{room}.__main__")
    registered = {
        sample.name for family in REGISTRY.collect() if family.name.startswith("rota_")
        for sample in family.samples
    } | {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in REGISTRY.collect() if family.name.startswith("rota_")
    }  # fmt: skip
    written = {metric.name for metric in metrics.metrics()}
    ends = ("_bucket", "_sum", "_count", "_created")
    assert {name for name in registered if not name.endswith(ends)} == written


def test_the_page_of_metrics_names_every_figure():
    from common.messages import NodeState

    found = {("node_manager", f"nodes_{state.lower()}") for state in NodeState}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            is_client = package == "node_manager" and "client" in path.parts
            room = "client" if is_client else package
            names = figures_in(ast.parse(path.read_text(encoding="utf-8")))
            found |= {(room, name) for name in names}
    assert found == set(metrics.FIGURES)


def figures_in(tree: ast.Module) -> set[str]:
    """Name the figures that a module hands to its service: dicts of functions."""
    dicts = [
        each
        for node in ast.walk(tree)
        if (isinstance(node, ast.keyword) and node.arg == "figures")
        or (isinstance(node, ast.FunctionDef) and node.name in {"figures", "_figures"})
        or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "figures")
        for each in ast.walk(node)
        if isinstance(each, ast.Dict)
    ]
    keys = [key for each in dicts for key in each.keys]
    return {key.value for key in keys if isinstance(key, ast.Constant)}


def test_the_page_of_settings_gives_no_meaning_to_what_nobody_reads():
    assert set(settings.MEANINGS) == {*settings.settings(), *settings.TOOL}


def test_the_page_of_settings_names_what_the_tools_read():
    assert settings.tool_variables() | {"PASSPHRASE_FILE"} == settings.TOOL


def test_drawing_the_command_line_leaves_the_process_as_it_was():
    before = list(sys.argv)
    PAGES["cli.md"]()
    assert sys.argv == before
