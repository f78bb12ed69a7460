"""The rules that keep app containers away from the platform, as files. Pure; the initializer acts.

App containers run on the bridge `rota-apps`. From there: nothing of the machine itself (sshd, the
client, a Kafka or MySQL with host network), no machine of the platform, no container on another
bridge, not each other, no metadata of a cloud. The rest of the network stays open: sensors are
there. Rules for ports that the platform publishes by Docker are not needed: they are on the way to
a machine of the platform. A stop of the unit leaves the rules: with live-restore apps go on while
Docker restarts, and so must what keeps them apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from node_manager.client.install.files import InstalledFile

_HERE = Path(__file__).parent
UNIT = "rota-firewall.service"
BRIDGE = "rota-apps"
ADDRESSES = "/etc/rota/platform.addresses"


def files_to_install(platform_addresses: Iterable[str]) -> list[InstalledFile]:
    """List the files, in the order to write them; addresses or networks, of every machine."""
    addresses = "".join(f"{address}\n" for address in sorted(set(platform_addresses)))
    return [
        InstalledFile(ADDRESSES, 0o644, f"# Rota's machines: no app reaches them.\n{addresses}"),
        InstalledFile("/usr/local/lib/rota/firewall.sh", 0o755, _text("firewall.sh")),
        InstalledFile(f"/etc/systemd/system/{UNIT}", 0o644, _text(UNIT)),
    ]


def commands_after_files() -> list[list[str]]:
    """List what makes new or changed files count; as root, in this order, again without harm."""
    return [
        ["systemctl", "daemon-reload"],
        ["systemctl", "enable", UNIT],
        ["/bin/sh", "/usr/local/lib/rota/firewall.sh"],  # no gap, which a restart would have
        ["systemctl", "start", UNIT],
    ]


def _text(name: str) -> str:
    return _HERE.joinpath(name).read_text(encoding="utf-8")
