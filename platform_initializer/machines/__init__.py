"""Drivers that make machines, and those that are there already; all end as `Machine`s."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from platform_initializer.domain.description import SshLogin


@dataclass(frozen=True)
class Machine:
    """One machine that can be reached. `host_key` is its pinned fingerprint."""

    name: str
    address: str
    login: SshLogin
    host_key: str | None
    labels: Mapping[str, str] = field(default_factory=dict)
    is_local: bool = False
