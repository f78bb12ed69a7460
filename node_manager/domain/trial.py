"""When a node that is heard gets nothing new all the same. Pure.

It came back and what it runs is not compared yet; it comes and goes; its clock is wrong.
"""

from __future__ import annotations

from dataclasses import replace

from common.messages import NodeState
from node_manager.domain.node import Moment, Node

RETURN_S = 10.0
"""Two heartbeats: the deployment manager has compared what runs with what should by then."""
FLAPPING_S = 60.0
FLAPS = 3
FLAPS_WITHIN_S = 600.0
SKEW_S = 2.0
SKEWS = 3


def after_return(node: Node, now: Moment, *, is_new_boot: bool) -> Node:
    """Hold a node that was lost, restarted, or fell silent too often."""
    hold_s = 0.0
    if node.state is NodeState.LOST or is_new_boot:
        hold_s = RETURN_S
    if is_silent(node) and len(_recent(node, now)) >= FLAPS:
        hold_s = FLAPPING_S
    if not hold_s:
        return node
    return replace(node, held_until=max(node.held_until, now.monotonic + hold_s))


def after_skew(node: Node, skew_s: float) -> Node:
    """Remember how far ahead of the broker's its clock was with this heartbeat."""
    return replace(node, skews_s=(*node.skews_s, skew_s)[-SKEWS:])


def is_silent(node: Node) -> bool:
    """Tell whether it was noticed that nothing is heard of it."""
    return bool(node.silences) and node.silences[-1] >= node.heard_at


def after_falling_silent(node: Node, now: Moment) -> Node:
    """Remember one more silence, once."""
    if is_silent(node):
        return node
    return replace(node, silences=(*_recent(node, now), now.monotonic))


def after_forgiving(node: Node, now: Moment) -> Node:
    """Forget a silence that was ours."""
    silences = node.silences[:-1] if is_silent(node) else node.silences
    return replace(node, heard_at=now.monotonic, silences=silences)


def why_held(node: Node, now: Moment) -> str | None:
    """Say why a node that is heard gets nothing new; None if it may."""
    skew = _wrong_clock(node)
    if skew is not None:
        return skew
    if now.monotonic >= node.held_until:
        return None
    if len(_recent(node, now)) >= FLAPS:
        return (
            f"it fell silent {FLAPS} times or more within {FLAPS_WITHIN_S / 60:g} min:"
            f" used again after {FLAPPING_S:g} s without"
        )
    return "it is back: what it runs is compared first"


def _recent(node: Node, now: Moment) -> tuple[float, ...]:
    return tuple(at for at in node.silences if now.monotonic - at < FLAPS_WITHIN_S)


def _wrong_clock(node: Node) -> str | None:
    """Tell of a clock over 2 s off.

    A heartbeat that was long on its way looks old, so only several say that the clock is behind.
    """
    if not node.skews_s:
        return None
    skew_s = max(node.skews_s)
    if skew_s > SKEW_S:
        return f"its clock is over {SKEW_S:g} s ahead"
    if skew_s < -SKEW_S and len(node.skews_s) == SKEWS:
        return f"its clock is over {SKEW_S:g} s behind"
    return None
