"""What Docker's daemon.json has to say on a machine; whatever else stands there is kept. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass

from common.errors import Permanent
from platform_initializer.domain.facts import Facts

PATH = "/etc/docker/daemon.json"
LIVE_RESTORE = "live-restore"
"""Containers outlive a restart of Docker: no job ends because of an upgrade of it."""


class StrangeSettingsError(Permanent):
    """The file that is there is not a JSON object: it is its owner's to mend."""


@dataclass(frozen=True)
class SettingsChange:
    """The file's new text, what of it is new, and whether a reload is not enough."""

    text: str
    reasons: tuple[str, ...]
    needs_restart: bool


def settings_change(facts: Facts) -> SettingsChange | None:
    """Return what to write, None where all is there; raise `StrangeSettingsError`."""
    there = _there(facts.docker_settings)
    counted: dict[str, object] = {}
    if facts.cgroup != "/":
        counted = {"cgroup-parent": facts.cgroup, "exec-opts": ["native.cgroupdriver=cgroupfs"]}
    wanted = {**there, LIVE_RESTORE: True, **counted}
    if wanted == there:
        return None
    is_counted = all(there.get(key) == value for key, value in counted.items())
    reasons = []
    if not is_counted:
        reasons.append("Docker's setting that counts containers as this machine's load")
    if there.get(LIVE_RESTORE) is not True:
        reasons.append("Docker's setting that lets jobs outlive its restart")
    return SettingsChange(json.dumps(wanted, indent=2) + "\n", tuple(reasons), not is_counted)


def _there(text: str) -> dict[str, object]:
    if not text.strip():
        return {}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise StrangeSettingsError(f"{PATH} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise StrangeSettingsError(f"{PATH} is not a JSON object")
    return found
