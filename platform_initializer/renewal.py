"""`rota platform certs`: how long certificates last, and which to make anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from platform_initializer.certificates import good_until
from platform_initializer.secret_store import SecretStore

AUTHORITY = "ca_cert"


@dataclass(frozen=True)
class Certificate:
    """One certificate: a server's, or the authority's that signed them."""

    name: str
    days_left: int
    good_until: str


def certificates(store: Path, now: datetime) -> list[Certificate]:
    """List those of a store, the one that ends first at the head."""
    kept = SecretStore(store).certificates()
    found = []
    for name, text in kept.items():
        end = good_until(text)
        found.append(Certificate(name, (end - now).days, end.isoformat(timespec="seconds")))
    return sorted(found, key=lambda one: one.days_left)


def ending(
    kept: Mapping[str, str], now: datetime, within: timedelta | None
) -> list[str]:
    """Name the servers' certificates that end within a time (None: all); never the authority's."""
    return sorted(
        name for name, text in kept.items()
        if name != AUTHORITY and (within is None or good_until(text) - now <= within)
    )  # fmt: skip


def drop_ending(store: Path, now: datetime, within: timedelta | None) -> list[str]:
    """Forget those, so that the next `up` has new ones made; return their names."""
    kept = SecretStore(store)
    names = ending(kept.certificates(), now, within)
    if names:
        kept.drop_certificates(names)
    return names
