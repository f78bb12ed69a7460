"""A file of root's on the machine, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class InstalledFile:
    """Written whole: temp, fsync, rename; its folder is made where it is missing."""

    path: str
    mode: int
    content: str
