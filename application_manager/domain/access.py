"""Who may do what: roles, passwords' and tokens' form, and how long a failed login waits. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum

MOST_WAIT_S = 900
FREE_FAILURES = 3
SHORTEST_PASSWORD = 12


class Role(IntEnum):
    """Each role may do all that the one below it may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def label(self) -> str:
        return self.name.lower()


ROLE_NAMES = tuple(role.label for role in Role)


def role_of(label: str) -> Role:
    """Read a role; an unknown one is a `KeyError`."""
    return Role[label.upper()]


@dataclass(frozen=True)
class Actor:
    """Who is asking; `csrf_token` only where a browser's session asks."""

    name: str
    role: Role
    csrf_token: str | None = None


def hash_token(token: str) -> str:
    """Hash a random secret for storing; it has 256 bits, so nothing slower is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def wait_after(failures: int) -> int:
    """Return the seconds that must lie between a failed login and the next try.

    Three tries are free, then it doubles from 1 s up to 15 min: 10,000 guesses take 100 days.
    """
    if failures <= FREE_FAILURES:
        return 0
    return int(min(MOST_WAIT_S, 2 ** (failures - FREE_FAILURES - 1)))
