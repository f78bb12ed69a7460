"""Whom to tell: the channels of schedule files and the platform's own. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args
from urllib.parse import urlsplit

from application_manager.domain.notices import Happened, kinds_of
from common.schedule import Notify
from common.schedule.spec import NotifyEvent

KINDS: tuple[str, ...] = get_args(NotifyEvent)
TEST = "test"
"""The kind of a notice that somebody asked for to see whether it comes."""
Row = Mapping[str, Any]
MOST_NAMED = 20
"""So many instances of a schedule file's channel are named in a list."""


@dataclass(frozen=True)
class Channel:
    """One address and what it is told of; `source` is its name, empty for a schedule file's."""

    url: str
    on: tuple[str, ...]
    source: str = ""

    @property
    def way(self) -> str:
        return "mail" if self.url.startswith("mailto:") else "webhook"


def channels_in(wish: Notify) -> list[Channel]:
    """Return the channels of an instance's own `notify`."""
    urls = (wish.url, f"mailto:{wish.mail}" if wish.mail else "")
    return [Channel(url, wish.on) for url in urls if url]


def tellings(happened: Happened, channels: Sequence[Channel]) -> list[tuple[str, Channel]]:
    """List which channel is told what of a change; an address hears each kind once."""
    told: dict[tuple[str, str], Channel] = {}
    for channel in channels:
        for kind in kinds_of(happened, channel.on):
            told.setdefault((kind, channel.url), channel)
    return [(kind, channel) for (kind, _), channel in told.items()]


def shown_address(url: str) -> str:
    """Leave out a webhook's path, often what keeps strangers out, and of a mail address who."""
    parts = urlsplit(url)
    if parts.scheme == "mailto":
        return f"mailto:…@{parts.path.rpartition('@')[2]}"
    return f"{parts.scheme}://{parts.hostname}/…"


def of_files(wishes: Mapping[str, Notify]) -> dict[Channel, list[str]]:
    """Group the instances' own channels: each with the instances that have it, by name."""
    found: dict[Channel, list[str]] = {}
    for instance, wish in sorted(wishes.items()):
        for channel in channels_in(wish):
            found.setdefault(channel, []).append(instance)
    return found


def by_channel(recent: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    """Group notices by the source and the address of their channel, in the order given."""
    found: dict[tuple[str, str], list[Row]] = {}
    for each in recent:
        found.setdefault((each["source"], each["url"]), []).append(each)
    return found


def described(channel: Channel, own: Sequence[Row]) -> dict[str, Any]:
    """Say of a channel how it is shown, and what became of its notices, given newest first."""
    last = next((each for each in own if each["tries"]), None)
    keys = ("created_at", "job_id", "kind", "state", "tries", "error")
    return {
        "name": channel.source or None,
        "channel": channel.way,
        "to": shown_address(channel.url),
        "on": list(channel.on),
        "waiting": sum(each["state"] == "waiting" for each in own),
        "last": {key: last[key] for key in keys} if last else None,
    }


def named(instances: Collection[str]) -> list[str]:
    """Return the first instances by name, as many as a list has room for."""
    return sorted(instances)[:MOST_NAMED]
