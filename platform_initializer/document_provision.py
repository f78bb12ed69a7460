"""Reads the part `provision` of the platform's file: which driver, with which settings."""

from __future__ import annotations

from pathlib import Path

from common.documents import Checker, Node

DRIVERS = ("static", "docker", "qemu", "libcloud", "command")
# What each driver may be told besides its pools; those marked are needed.
OPTIONS: dict[str, dict[str, bool]] = {
    "static": {},
    "docker": {},
    "qemu": {"base": False, "bridge": False},
    "libcloud": {
        "provider": True, "image": True, "region": False, "size": False, "network": False,
        "security_groups": False, "endpoint": False, "project": False, "domain": False,
    },
    "command": {"list": True, "create": False, "remove": False},
}  # fmt: skip
_LISTS = {"list", "create", "remove", "security_groups"}
_PROVIDERS = ("ec2", "openstack")
Options = dict[str, tuple[str, ...]]


def read_provision(
    checker: Checker, node: Node, folder: Path
) -> tuple[str, Options, dict[str, Node]]:
    """Return driver, settings (texts in tuples, one as a tuple of one) and all keys of the part."""
    known = {"driver", "pools", *(key for keys in OPTIONS.values() for key in keys)}
    keys = checker.mapping(node, "provision", known=known, required=("driver",))
    driver = "static"
    if "driver" in keys:
        driver = checker.choice(keys["driver"], "provision.driver", DRIVERS) or driver
    options: Options = {}
    for key, value in keys.items():
        if key in {"driver", "pools"}:
            continue
        path = f"provision.{key}"
        if key not in OPTIONS[driver]:
            checker.add(value, path, "unknown_key", f"driver {driver} knows no {key!r}",
                        hint=f"it knows {', '.join(OPTIONS[driver]) or 'pools alone'}")  # fmt: skip
            continue
        options[key] = _texts(checker, value, path, is_list=key in _LISTS)
    for key, is_needed in OPTIONS[driver].items():
        if is_needed and key not in keys:
            checker.missing(node, "provision", key)
    if "provider" in keys:
        checker.choice(keys["provider"], "provision.provider", _PROVIDERS)
    if "base" in options:
        options["base"] = (str((folder / Path(options["base"][0]).expanduser()).absolute()),)
    return driver, options, keys


def _texts(checker: Checker, node: Node, path: str, *, is_list: bool) -> tuple[str, ...]:
    """Read one text, or a list of them; what is no text is a problem and left out."""
    if not is_list:
        return (checker.text(node, path, any_scalar=True) or "",)
    found = checker.items(node, path)
    texts = [checker.text(item, where, any_scalar=True) for item, where in found]
    if not texts:
        checker.add(node, path, "empty", "the list is empty", hint="name a program and its words")
    return tuple(text for text in texts if text is not None)
