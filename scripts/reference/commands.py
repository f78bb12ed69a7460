"""The page on the command line, drawn from Typer's own tree of commands."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from typing import Any

from cli.__main__ import GROUPS, app
from cli.errors import ExitCode
from scripts.reference.source import NOTE, table

_MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.UNEXPECTED: "something that should not happen, or `doctor` found an error",
    ExitCode.USAGE: "the command is not written as it should be, or nobody is there to be asked",
    ExitCode.INVALID_FILE: "the file has problems; nothing was changed",
    ExitCode.NOT_FOUND: "there is no such thing",
    ExitCode.CONFLICT: "the platform is not as the command assumes, or a lock is held",
    ExitCode.FORBIDDEN: "the token's role does not allow it",
    ExitCode.UNREACHABLE: "the platform or a machine does not answer in time",
    ExitCode.PARTLY_DONE: "some machines were done, others not; run it again",
    ExitCode.NO_CAPACITY: "no machine can take it",
    ExitCode.JOB_FAILED: "the job that was waited for ended badly",
    ExitCode.HAS_CHANGES: "`plan` has something to change",
}
_HEAD = f"""\
{NOTE}

# The `rota` command

Before the verb: `--timeout SECONDS` (how long to wait for the platform; 30) and `--no-input`
(never ask). Data goes to stdout, all else to stderr. `-o table|wide|json|yaml|name` chooses the
form; times are RFC 3339 UTC in JSON and YAML, local and relative in tables. `-` is stdin.
`NO_COLOR` is heeded. An error says what, where, why, and the next command. `rota
--install-completion` completes words in your shell; `rota completion` prints what does that.
"""


def tree() -> Any:
    """Return the whole tree of commands, every group loaded."""
    import typer.main

    kept = sys.argv
    sys.argv = ["rota"]  # `cli.schedule` leaves verbs out when one that needs no platform is called
    try:
        whole = typer.Typer()
        whole.registered_commands.extend(app.registered_commands)
        whole.registered_callback = app.registered_callback
        for name, duty in GROUPS.items():
            whole.add_typer(import_module(f"cli.{name}").app, name=name, help=duty)
        return typer.main.get_command(whole)
    finally:
        sys.argv = kept


def verbs(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield (words, command) of everything that can be called, in the order of the help."""
    command = tree() if command is None else command
    children = getattr(command, "commands", None)
    if children is None:
        yield " ".join(path), command
        return
    for name, child in children.items():
        yield from verbs(child, (*path, name))


def text() -> str:
    """Return the page."""
    lines = [_HEAD]
    group = ""
    for words, command in verbs():
        first = words.split()[0]
        if first in GROUPS and first != group:
            lines += [f"## {first}", "", f"{GROUPS[first].capitalize()}.", ""]
        elif first not in GROUPS and group != "other":
            lines += ["## Alone", ""]
        group = first if first in GROUPS else "other"
        lines += _section(words, command)
    lines += ["## Exit codes", ""]
    rows = [[str(int(code)), _MEANINGS[code]] for code in ExitCode]
    rows += [["130, 143", "ended by Ctrl-C, by SIGTERM"], ["141", "the reader of a pipe has gone"]]
    lines += table(["code", "meaning"], rows)
    return "\n".join(lines) + "\n"


def _section(words: str, command: Any) -> list[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    signature = " ".join([f"rota {words}", *(_metavar(p) for p in arguments)])
    lines = [f"### rota {words}", "", f"`{signature}{' [options]' if options else ''}`", ""]
    # the docstring: a run of the command in this process may have set its examples apart
    for paragraph in (inspect.getdoc(command.callback) or "").strip().split("\n\n"):
        lines += [*_paragraph(paragraph), ""]
    rows = [[f"`{_metavar(p)}`", _meaning(p)] for p in arguments]
    rows += [[f"`{', '.join([*p.opts, *p.secondary_opts])}`", _meaning(p)] for p in options]
    return [*lines, *table(["", "meaning"], rows), ""] if rows else lines


def _paragraph(paragraph: str) -> list[str]:
    """Write a paragraph of the help; an example of it is marked as code."""
    before, marker, example = paragraph.partition("Example: ")
    lines = [before.strip()] if before.strip() else []
    if marker:
        lines += [*([""] if lines else [])]
        lines += [f"Example: `{' '.join(each.split())}`  " for each in example.split("Example: ")]
        lines[-1] = lines[-1].rstrip()
    return lines


def _metavar(parameter: Any) -> str:
    name = (parameter.metavar or parameter.name.upper()).removesuffix("...")
    name += "..." if parameter.nargs == -1 else ""
    return str(name if parameter.required else f"[{name}]")


def _meaning(parameter: Any) -> str:
    said = getattr(parameter, "help", None) or ""
    kind = parameter.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        said += f": {', '.join(str(each.value) for each in kind)}"
    default = parameter.default
    is_told = default not in (None, False, True, (), []) and not callable(default)
    return said + (f"; {getattr(default, 'value', default)}" if is_told else "")
