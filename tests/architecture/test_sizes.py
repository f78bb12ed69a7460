"""The house rules on size (CONTRIBUTING.md): short files, short functions, few parameters."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "common", "application_manager", "scheduler", "deployment_manager", "load_balancer",
    "node_manager", "platform_initializer", "cli", "images", "scripts", "benchmarks",
)
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MAX_FILE_LINES = 300
MAX_TEST_LINES = 500  # tables of cases are long and easy to read
MAX_FUNCTION_LINES = 40
MAX_PARAMETERS = 4
MAX_NESTING = 3

Function = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.With, ast.AsyncWith, ast.Match)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function):
            yield node


def lines_of(function: Function) -> int:
    """Count from `def` to the last line, docstring left out."""
    first = function.body[0]
    has_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = (first.end_lineno - first.lineno + 1) if has_docstring else 0
    return function.end_lineno - function.lineno + 1 - docstring


def parameters_of(function: Function) -> int:
    """Count parameters but self; those of a command line's command are its options.

    Keyword-only ones with a default are options as well: nobody has to know them to call it.
    """
    arguments = function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    required = [argument.arg for argument, default
                in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is None]
    return len([name for name in names if name not in ("self", "cls")] + required)


def is_command(function: Function) -> bool:
    """Tell whether typer or FastAPI calls it, by its decorator: ``@app.command()``, ``@x.get()``."""
    verbs = {"command", "callback", "get", "post", "put", "delete", "patch"}
    return any(
        isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute)
        and decorator.func.attr in verbs
        for decorator in function.decorator_list
    )


def nesting_of(node: ast.AST, depth: int = 0) -> int:
    deepest = depth
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef | ast.Lambda):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and child in node.orelse
        step = 1 if isinstance(child, BLOCKS) and not is_elif else 0
        deepest = max(deepest, nesting_of(child, depth + step))
    return deepest


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_are_short_and_say_what_lives_in_them(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_FILE_LINES
    assert not text or ast.get_docstring(ast.parse(text)), "no module docstring"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_functions_are_short_flat_and_take_few_parameters(path):
    long = [f.name for f in functions(path) if lines_of(f) > MAX_FUNCTION_LINES]
    wide = [f.name for f in functions(path)
            if parameters_of(f) > MAX_PARAMETERS and not is_command(f)]
    deep = [f.name for f in functions(path) if nesting_of(f) > MAX_NESTING]
    assert (long, wide, deep) == ([], [], []), "too long, too many parameters, too deep"


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_test_files_are_not_endless(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_TEST_LINES
