"""Schedule files that begin a few seconds from now, so that tests need not wait for a clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.e2e.platform import now

IMAGE = "rota/demo-app:dev"


def soon(seconds: float) -> datetime:
    """Return a whole second at least `seconds` from now."""
    return (now() + timedelta(seconds=seconds + 1)).replace(microsecond=0)


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def once(instance: str, start: datetime, command: list[str], **keys: object) -> str:
    """One job at `start`. Keys of the schedule: duration, end; `app` is its image; all others are
    the instance's.
    """
    schedule = {"start": stamp(start)}
    schedule |= {k: str(keys.pop(k)) for k in ("duration", "interval", "end") if k in keys}
    return _file(instance, command, schedule, keys)


def _file(
    instance: str, command: list[str], schedule: dict[str, str], keys: dict[str, object]
) -> str:
    image = keys.pop("app", IMAGE)
    lines = [
        "version: 1",
        "instances:",
        f"  - id: {instance}",
        f"    app: {image}",
        f"    command: [{', '.join(_quoted(word) for word in command)}]",
        "    schedule:",
        *[f"      {key}: {_quoted(value)}" for key, value in schedule.items()],
        *[f"    {key}: {value}" for key, value in keys.items()],
    ]
    return "\n".join(lines) + "\n"


def _quoted(word: str) -> str:
    return f'"{word}"'
