"""Which zones there are: exactly the IANA names, of the `tzdata` package."""

from __future__ import annotations

from functools import cache
from importlib import resources

from common.documents import Checker, Node
from common.documents.checker import did_you_mean
from common.documents.problem import shorten


@cache
def zone_names() -> frozenset[str]:
    """Return the exact names; no abbreviations such as PST, no offsets."""
    return frozenset((resources.files("tzdata") / "zones").read_text(encoding="ascii").split())


def read_timezone(checker: Checker, node: Node, path: str) -> str | None:
    """Return an IANA zone's name."""
    text = checker.text(node, path)
    if text is None or text in zone_names():
        return text
    checker.add(node, path, "unknown_timezone", f"{shorten(text)!r} is not an IANA zone",
                hint=_nearest(text))  # fmt: skip
    return None


@cache
def _zones_by_small_name() -> dict[str, str]:
    return {name.lower(): name for name in zone_names()}


def _nearest(text: str) -> str:
    by_case = _zones_by_small_name().get(text.lower().replace(" ", "_"))
    near = f"did you mean `{by_case}`?" if by_case else None
    if near is None and "/" in text:
        area = text.split("/", maxsplit=1)[0]
        near = did_you_mean(text, [name for name in zone_names() if name.startswith(area)])
    return near or "names like Europe/Berlin; no abbreviations, no offsets"
