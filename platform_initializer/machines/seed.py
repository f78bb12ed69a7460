"""What a new machine is told at its first boot (cloud-init), so that it is known before contact.

Its host key is made here and given to it: the first connection already checks a pinned key.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

import yaml

MARK_PLATFORM = "io.rota.platform"
MARK_MACHINE = "io.rota.machine"
USER = "deploy"


@dataclass(frozen=True)
class Seed:
    """One machine's name and keys: its own host key, and the tool's key that may log in."""

    name: str
    host_key: str
    host_public_key: str
    login_public_key: str

    @property
    def fingerprint(self) -> str:
        """The pin of its host key."""
        return fingerprint_of(self.host_public_key)

    def user_data(self, *, is_image_ready: bool = False) -> str:
        """Write cloud-init's user-data; an image of ours needs no growing and no locale."""
        told: dict[str, object] = {
            "hostname": self.name,
            "ssh_pwauth": False,
            "ssh_deletekeys": True,
            "ssh_genkeytypes": [],
            "ssh_keys": {
                "ed25519_private": self.host_key, "ed25519_public": self.host_public_key,
            },
            "users": [{
                "name": USER, "shell": "/bin/sh", "lock_passwd": True,
                "sudo": "ALL=(ALL) NOPASSWD:ALL",
                "ssh_authorized_keys": [self.login_public_key],
            }],
        }  # fmt: skip
        if is_image_ready:
            told |= {"locale": False, "growpart": {"mode": "off"}, "resize_rootfs": False,
                     "package_update": False}  # fmt: skip
        return "#cloud-config\n" + yaml.safe_dump(told, sort_keys=False)


def fingerprint_of(public_line: str) -> str:
    """Return the ``SHA256:...`` form of a public key's line, as `ssh-keygen -lf` prints it."""
    blob = base64.b64decode(public_line.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).rstrip(b"=").decode()
