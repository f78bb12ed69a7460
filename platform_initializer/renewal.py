"""`rota platform certs`: how long certificates last, and which to make anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from common.errors import ConfigError
from platform_initializer.certificates import good_until, make_authority
from platform_initializer.domain.findings import Finding
from platform_initializer.secret_store import SecretStore

AUTHORITY = "ca_cert"
NEXT, OLD = "ca_next_cert", "ca_old_cert"
AUTHORITIES = frozenset({AUTHORITY, NEXT, OLD})
ENDS_SOON = timedelta(days=30)
CHECKS = 3  # C601: it has ended, C602: it ends soon, C603: the authority's change is unfinished
COMMAND = "rota platform certs renew --authority"


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
        if name not in AUTHORITIES and (within is None or good_until(text) - now <= within)
    )  # fmt: skip


def drop_ending(store: Path, now: datetime, within: timedelta | None) -> list[str]:
    """Forget those, so that the next `up` has new ones made; return their names."""
    kept = SecretStore(store)
    names = ending(kept.certificates(), now, within)
    if names:
        kept.drop_certificates(names)
    return names


def change_authority(store: Path, platform: str, now: datetime) -> Iterator[str]:
    """Put a new authority in the old one's place; yield each stage that machines must reach.

    What is yielded says what holds from then on. At each stage every server's certificate is
    vouched for by something that every client trusts, whichever of them has changed already. Cut
    short, the next call goes on. An authority that has ended is trusted by nobody: it is replaced
    at once, and no service works until all have changed.
    """
    kept = SecretStore(store)
    names = kept.certificates()
    if AUTHORITY not in names:
        raise ConfigError(f"{store} has no authority yet: run `rota platform up` first")
    if NEXT not in names and OLD not in names:
        made = make_authority(platform, now, is_renewal=True)
        kept.change({NEXT: made.certificate, _key_of(NEXT): made.key}, ())
    if NEXT in kept.certificates():
        if good_until(names[AUTHORITY]) > now:
            yield "the old and the new authority are trusted"
        _sign_with_next(SecretStore(store), now)
    if OLD in SecretStore(store).certificates():
        yield "all servers have certificates of the new authority"
    SecretStore(store).change({}, (OLD,))
    yield "the new authority alone is trusted"


def _sign_with_next(kept: SecretStore, now: datetime) -> None:
    """Let the next authority sign from now on; servers' certificates are made anew by it."""
    values = kept.values()
    servers = [name for name in kept.certificates() if name not in AUTHORITIES]
    old = {OLD: values[AUTHORITY]} if good_until(values[AUTHORITY]) > now else {}
    kept.change(
        {AUTHORITY: values[NEXT], _key_of(AUTHORITY): values[_key_of(NEXT)], **old},
        (NEXT, _key_of(NEXT), *servers, *map(_key_of, servers)),
    )


def _key_of(certificate: str) -> str:
    return certificate.removesuffix("_cert") + "_key"


def findings_of(kept: Mapping[str, str], now: datetime) -> list[Finding]:
    """Name each certificate of a store that has ended (C601) or does within 30 days (C602).

    Also a change of the authority that was cut short (C603).

    Found in the store and not on the machines: there the files are only known by their hash.
    """
    found = [
        _finding(name, good_until(kept[name]), now)
        for name in sorted(kept) if good_until(kept[name]) - now <= ENDS_SOON
    ]  # fmt: skip
    if {NEXT, OLD} & kept.keys():
        found.append(Finding(
            "C603", "warning", "(store)", "the authority's change is unfinished",
            "two authorities are trusted", "the change was cut short", COMMAND,
        ))  # fmt: skip
    return found


def _finding(name: str, end: datetime, now: datetime) -> Finding:
    has_ended = end <= now
    fix = COMMAND if name in AUTHORITIES else "rota platform certs renew"
    return Finding(
        "C601" if has_ended else "C602", "error" if has_ended else "warning", "(store)",
        "a certificate has ended" if has_ended else "a certificate ends soon",
        f"{name} is good until {end.isoformat(timespec='seconds')}",
        "no service can connect to that server any more" if has_ended
        else "from then on no service can connect to that server", fix,
    )  # fmt: skip
