"""The watchdog of a machine: files and commands that install it. Pure; the initializer acts.

A systemd unit of its own, so that stop times hold though the client, Kafka and MySQL are gone
(guarantees.md, G7). It needs /bin/sh, coreutils and the `docker` command.
"""

from __future__ import annotations

from pathlib import Path

from node_manager.client.install.files import InstalledFile
from node_manager.client.install.run import UID

_HERE = Path(__file__).parent
UNIT = "rota-watchdog.service"
ALIVE = "watchdog"
"""The file in the client's run folder that it touches with every look."""


def files_to_install(run_folder_uid: int = UID) -> list[InstalledFile]:
    """List the files, in the order to write them; the run folder is that of the client's user."""
    folder = _text("rota-tmpfiles.conf").replace("OWNER", str(run_folder_uid))
    return [
        InstalledFile("/usr/lib/tmpfiles.d/rota.conf", 0o644, folder),
        InstalledFile("/usr/local/lib/rota/watchdog.sh", 0o755, _text("watchdog.sh")),
        InstalledFile(f"/etc/systemd/system/{UNIT}", 0o644, _text(UNIT)),
    ]


def commands_after_files() -> list[list[str]]:
    """List what makes new or changed files count; as root, in this order, again without harm."""
    return [
        ["systemd-tmpfiles", "--create", "/usr/lib/tmpfiles.d/rota.conf"],
        ["systemctl", "daemon-reload"],
        ["systemctl", "enable", UNIT],
        ["systemctl", "restart", UNIT],
    ]


def _text(name: str) -> str:
    return _HERE.joinpath(name).read_text(encoding="utf-8")
