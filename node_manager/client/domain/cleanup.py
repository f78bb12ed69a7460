"""Which images may go when. Pure; only images that this client pulled are ever considered."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

UNUSED_FOR = timedelta(days=7)
DISK_SCARCE = 0.85
DISK_FULL = 0.95
AT_ONCE = 3
"""So many are removed in one round when the disk is scarce; then it is measured again."""


def images_to_remove(
    last_used: Mapping[str, datetime], needed: Collection[str], now: datetime, disk_used: float
) -> list[str]:
    """List the images to remove, the longest unused first.

    `disk_used` is a fraction. What an unfinished attempt needs stays, whatever the disk says.
    """
    idle = sorted((at, image) for image, at in last_used.items() if image not in needed)
    if disk_used > DISK_SCARCE:
        return [image for _, image in idle[:AT_ONCE]]
    return [image for at, image in idle if now - at > UNUSED_FOR]


def log_budget(most_bytes: int, disk_used: float) -> int:
    """Return how much the kept logs may take: a tenth when the disk is scarce."""
    return most_bytes // 10 if disk_used > DISK_SCARCE else most_bytes
