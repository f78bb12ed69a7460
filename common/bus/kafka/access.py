"""How the brokers are told who there is and who may do what."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from common.bus import Access
from common.secret import Secret


def grant(client: Any, rules: Collection[Access]) -> int:
    """Make the rules; those that are there already stay. Return how many were refused."""
    found = client.create_acls([_driver_rule(rule) for rule in rules])
    return len(found["failed"])


def set_passwords(client: Any, passwords: Mapping[str, Secret]) -> list[str]:
    """Set users' SCRAM passwords, making users that are not there; return what was refused."""
    wanted = [
        UserScramCredentialUpsertion(user, ScramMechanism.SCRAM_SHA_512, password.reveal())
        for user, password in passwords.items()
    ]
    found = client.alter_user_scram_credentials(wanted)
    return [f"{user}: {error}" for user, error in found.items() if error]


def _driver_rule(rule: Access) -> ACL:
    return ACL(
        principal=f"User:{rule.user}",
        host="*",
        operation=ACLOperation[rule.deed.value],
        permission_type=ACLPermissionType.ALLOW,
        resource_pattern=ResourcePattern(ResourceType[rule.resource.value], rule.name),
    )
