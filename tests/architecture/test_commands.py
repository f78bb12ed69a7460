"""Every command of the documents is run, or held against the command line's parser."""

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from common.schedule import load_many
from platform_initializer.document import parse_description
from scripts.reference.commands import tree
from tests.support.documents import (
    CLASSES,
    OTHER_LANGUAGES,
    ROOT,
    all_commands,
    blocks,
    commands,
    is_of_readme,
    pages,
)

FOREIGN = {"cp", "curl", "docker", "ssh-keygen", "."}  # they only stand where nothing is run
BLOCKS = [block for page in pages() for block in blocks(page)]
COMMANDS = all_commands()
OFFLINE_PAGES = sorted({c.block.page for c in COMMANDS if c.block.kind == "offline"})


@cache
def command_line():
    return tree()


def targets():
    return set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def parse(words: list[str]) -> None:
    """Let the command line's own parser read the words; it raises what it would say."""
    command, name = command_line(), "rota"
    while getattr(command, "commands", None):
        context = command.make_context(name, list(words))
        words = [*context._protected_args, *context.args]
        name, *words = words
        command = command.commands[name]
    command.make_context(name, list(words))


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_every_block_says_what_it_is(block):
    if is_of_readme(block):
        return
    if block.language in OTHER_LANGUAGES:
        assert not block.kind
    elif block.language == "python":
        assert block.kind == "platform"
    else:
        assert block.language == "sh"
        assert block.kind in CLASSES
        assert commands(block)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: f"{c.block.place}: {c.text}")
def test_every_command_exists_with_its_options(command):
    first, *rest = command.words
    match first:
        case "rota":
            parse(rest)
        case "make":
            assert {word for word in rest if "=" not in word} <= targets()
        case "python":
            assert rest[0] == "-m"
            module = ROOT / rest[1].replace(".", "/")
            assert module.is_dir() or module.with_suffix(".py").exists()
            assert command.block.kind == "checked"
        case _:
            assert first in FOREIGN
            assert command.block.kind in {"checked", ""} or first == "cp"


@pytest.mark.parametrize("words", [
    "schedule valdate x.yml", "job list --instanc a", "node drain", "platform machine remove",
    "job run a b", "job list --limit many",
])  # fmt: skip
def test_a_command_that_is_wrong_is_seen(words):
    with pytest.raises(Exception) as told:
        parse(words.split())
    assert type(told.value).__name__ in {
        "KeyError", "NoSuchOption", "MissingParameter", "UsageError", "BadParameter",
    }  # fmt: skip


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_command_named_in_a_sentence_exists(page):
    """Its arguments may be left out there, its words and options may not be others."""
    for named in re.findall(r"`rota ([^`]+)`", page.read_text(encoding="utf-8")):
        words, command = named.split(), command_line()
        while words and getattr(command, "commands", None) and re.fullmatch("[a-z]+", words[0]):
            command = command.commands[words.pop(0)]
        known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
        ours = words[: words.index("--")] if "--" in words else words
        said = {word.partition("=")[0] for word in ours if re.match("--?[a-z]", word)}
        assert said <= {*known, "--help", "--install-completion"}, named


@pytest.mark.parametrize("page", OFFLINE_PAGES, ids=lambda page: page.name)
def test_what_needs_no_platform_does_as_the_page_says(page, tmp_path):
    shutil.copytree(ROOT / "docs" / "examples", tmp_path, dirs_exist_ok=True)
    shutil.copytree(ROOT / "config", tmp_path / "config")
    for command in COMMANDS:
        if command.block.page == page and command.block.kind == "offline":
            done = run(command.words, tmp_path)
            assert done.returncode == command.exit_code, f"{command.text}\n{done.stderr}"
            assert "Traceback" not in done.stderr


def run(words: tuple[str, ...], folder: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "cli", *words[1:]] if words[0] == "rota" else list(words)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder), "NO_COLOR": "1"}
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True,
                          check=False)  # fmt: skip


def test_the_problems_that_the_quick_start_shows_are_those_of_its_file(tmp_path):
    shutil.copytree(ROOT / "docs" / "examples", tmp_path, dirs_exist_ok=True)
    page = ROOT / "docs" / "quick-starts" / "configurer.md"
    shown = next(block.text for block in blocks(page) if block.text.startswith("broken.yml"))
    done = run(("rota", "schedule", "validate", "broken.yml"), tmp_path)
    assert done.stderr == shown


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if b.language == "yaml"], ids=lambda block: block.place
)
def test_every_file_that_is_shown_has_no_problem(block):
    if "\ninstances:" in block.text:
        loaded = load_many([(block.place, block.text.encode())])
        assert [problem.message for problem in loaded.problems] == []
    else:
        parse_description(block.text.encode(), block.place, ROOT)


@pytest.mark.parametrize("name", [
    "heating.yml", "chain.yml", "standalone.yml", "clocks.yml", "notices.yml",
])  # fmt: skip
def test_every_example_has_no_problem(name):
    loaded = load_many([(name, (ROOT / "docs" / "examples" / name).read_bytes())])
    assert [problem.message for problem in loaded.problems] == []


def test_the_example_of_a_platform_on_one_machine_has_no_problem():
    file = ROOT / "docs" / "examples" / "one-machine.platform.yml"
    assert parse_description(file.read_bytes(), file.name, ROOT).machines[0].is_local


def test_a_test_that_a_page_names_is_there():
    link = re.compile(r"\[`(test_\w+)`\]\((?:\.\./)*(tests/[\w/]+\.py)\)")
    named = [each for page in pages() for each in link.findall(page.read_text(encoding="utf-8"))]
    assert len(named) > 20
    missing = [(name, file) for name, file in named
               if f"def {name}(" not in (ROOT / file).read_text(encoding="utf-8")]
    assert missing == []
