"""How the brokers are told who may do what."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType

from common.bus import Access


def grant(client: Any, rules: Collection[Access]) -> int:
    """Make the rules; those that are there already stay. Return how many were refused."""
    found = client.create_acls([_driver_rule(rule) for rule in rules])
    return len(found["failed"])


def _driver_rule(rule: Access) -> ACL:
    return ACL(
        principal=f"User:{rule.user}",
        host="*",
        operation=ACLOperation[rule.deed.value],
        permission_type=ACLPermissionType.ALLOW,
        resource_pattern=ResourcePattern(ResourceType[rule.resource.value], rule.name),
    )
