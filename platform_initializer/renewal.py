"""`rota platform certs`: how long certificates last, and which to make anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from platform_initializer.certificates import good_until
from platform_initializer.domain.findings import Finding
from platform_initializer.secret_store import SecretStore

AUTHORITY = "ca_cert"
ENDS_SOON = timedelta(days=30)
CHECKS = 2  # C601: it has ended, C602: it ends soon


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


def findings_of(kept: Mapping[str, str], now: datetime) -> list[Finding]:
    """Name each certificate of a store that has ended (C601) or does within 30 days (C602).

    Found in the store and not on the machines: there the files are only known by their hash.
    """
    return [
        _finding(name, good_until(kept[name]), now)
        for name in sorted(kept) if good_until(kept[name]) - now <= ENDS_SOON
    ]  # fmt: skip


def _finding(name: str, end: datetime, now: datetime) -> Finding:
    has_ended = end <= now
    fix = "rota platform certs renew"
    if name == AUTHORITY:
        fix = "no command renews the authority: make a new platform before that day"
    return Finding(
        "C601" if has_ended else "C602", "error" if has_ended else "warning", "(store)",
        "a certificate has ended" if has_ended else "a certificate ends soon",
        f"{name} is good until {end.isoformat(timespec='seconds')}",
        "no service can connect to that server any more" if has_ended
        else "from then on no service can connect to that server", fix,
    )  # fmt: skip
