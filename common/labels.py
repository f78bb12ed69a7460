"""What an instance asks of its node's labels: equal, one of several, or none of them. Pure.

In a schedule file: ``zone: a`` (=), ``zone: [a, b]`` (in), ``zone: {not: a}`` (!=) and
``zone: {not: [a, b]}`` (not in). The same shapes travel in messages and are stored.
"""

from __future__ import annotations

import msgspec


class Not(msgspec.Struct, frozen=True):
    """Any value but these; a node without the label suits, too."""

    values: tuple[str, ...] = msgspec.field(name="not")


LabelRule = str | tuple[str, ...] | Not
"""A value, some values of which one must be there, or values that must not."""


def suits(rule: LabelRule, value: str | None) -> bool:
    """Tell whether a node whose label has this value (None: it has no such label) suits."""
    match rule:
        case Not(values):
            return value not in values
        case str():
            return value == rule
        case _:
            return value in rule


def rule_in_words(name: str, rule: LabelRule) -> str:
    """Write a rule as people do: ``zone=a``, ``zone in (a, b)``, ``zone!=a``."""
    match rule:
        case str():
            return f"{name}={rule}"
        case Not((only,)):
            return f"{name}!={only}"
        case Not(values):
            return f"{name} not in ({', '.join(values)})"
        case _:
            return f"{name} in ({', '.join(rule)})"
