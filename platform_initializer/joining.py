"""One machine more, or one less, in a platform's file: comments and order of the rest stay."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from common.errors import ConfigError
from platform_initializer.beginning import Scanned, entry_text
from platform_initializer.document import parse_description

_LABEL = re.compile(r"([A-Za-z0-9][A-Za-z0-9._/-]{0,62})=([A-Za-z0-9._-]{1,63})")

_ITEM = re.compile(r"  - name: [\"']?(?P<name>[a-z0-9-]+)[\"']?\s*(?:#.*)?\n?")


def next_name(names: Sequence[str]) -> str:
    """Return the first of m1, m2... that no machine has."""
    return next(name for number in range(1, len(names) + 2) if (name := f"m{number}") not in names)


def labels_of(texts: Sequence[str]) -> dict[str, str]:
    """Read ``key=value`` pairs; raise `ConfigError`."""
    found = {}
    for text in texts:
        pair = _LABEL.fullmatch(text)
        if pair is None:
            raise ConfigError(f"a label is like zone=b, not {text!r}")
        found[pair[1]] = pair[2]
    return found


def with_machine(payload: bytes, new: Scanned, labels: Mapping[str, str], path: Path) -> str:
    """Return the file's text with one machine more; raise `ConfigError` where that cannot be."""
    before = parse_description(payload, str(path), path.resolve().parent)
    entry = entry_text(new, with_login=True)
    if labels:
        entry += f"    labels: {json.dumps(dict(labels))}\n"
    lines = payload.decode("utf-8").splitlines(keepends=True)
    try:
        lines.insert(_end_of_machines(lines), entry)
        text = "".join(lines)
        after = parse_description(text.encode(), str(path), path.resolve().parent)
    except ConfigError as error:
        raise ConfigError(
            f"{path} cannot be extended by itself ({error}): write under `machines:`\n{entry}"
        ) from error
    if after.machine_names()[: len(before.machines) + 1] != [
        *(machine.name for machine in before.machines), new.name,
    ]:  # fmt: skip
        raise ConfigError(f"{path} is not in the form this extends: write there\n{entry}")
    return text


def without_machine(payload: bytes, name: str, path: Path) -> str:
    """Return the file's text without a machine; raise `ConfigError` where that cannot be."""
    before = parse_description(payload, str(path), path.resolve().parent)
    lines = payload.decode("utf-8").splitlines(keepends=True)
    names = [found["name"] if (found := _ITEM.fullmatch(line)) else None for line in lines]
    begin = names.index(name) if name in names else None
    if begin is None:
        raise ConfigError(f"{path} names {name} in another form than `  - name: {name}`: take it"
                          " out by hand (or lower its pool's count)")  # fmt: skip
    end = next((i for i in range(begin + 1, len(lines))
                if lines[i].strip() and not lines[i].startswith("    ")), len(lines))  # fmt: skip
    text = "".join([*lines[:begin], *lines[end:]])
    try:
        after = parse_description(text.encode(), str(path), path.resolve().parent)
    except ConfigError as error:
        raise ConfigError(f"{path} still needs {name} (a service is pinned to it, or it is the"
                          " last machine): change that first") from error  # fmt: skip
    if [m.name for m in after.machines] != [m.name for m in before.machines if m.name != name]:
        raise ConfigError(f"{path} is not in the form this understands: take {name} out by hand")
    return text


def _end_of_machines(lines: Sequence[str]) -> int:
    """Return the index of the line after the last machine's last one."""
    begin = next((i for i, line in enumerate(lines) if line.startswith("machines:")), None)
    if begin is None:
        raise ConfigError("it has no `machines:`")
    end = begin + 1
    for index in range(begin + 1, len(lines)):
        line = lines[index]
        if line.strip() and not line.startswith((" ", "-", "#")):
            break
        if line.strip() and not line.lstrip().startswith("#"):
            end = index + 1
    return end
