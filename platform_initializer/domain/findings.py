"""What `doctor` can find: coded checks on facts, each with evidence, reason and fix. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from platform_initializer.domain.facts import Facts

GIB = 1 << 30
MIB = 1 << 20
OLDEST_DOCKER = (20, 10)
MOST_SKEW_S = 2.0
OUR_PORTS = {9092: "kafka", 3306: "mysql", 7110: "client"}


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be. Severity `error` forbids `up` or jobs; `warning` not.

    `code` never changes its meaning, so that it can be searched for.
    """

    code: str
    severity: str
    machine: str
    title: str
    evidence: str
    why: str
    fix: str


@dataclass(frozen=True)
class Seen:
    """All that the checks look at. `skew_s`: the machine's clock minus ours."""

    facts: Mapping[str, Facts]
    skew_s: Mapping[str, float] = field(default_factory=dict)
    ready: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    ports: Mapping[tuple[str, str, int], str] = field(default_factory=dict)
    """(from, to, port) -> open, refused or filtered."""
    expected: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The services that are to run on each machine; empty before the first `up`."""


Check = Callable[[str, Facts, Seen], Iterator[tuple[str, str]]]


@dataclass(frozen=True)
class Rule:
    """One check: its fixed words, and a function that yields (evidence, detail for the fix)."""

    code: str
    severity: str
    title: str
    why: str
    fix: str
    check: Check


def examine(seen: Seen, rules: Sequence[Rule]) -> list[Finding]:
    """Apply every rule to every machine, in the order of the codes."""
    return [
        Finding(rule.code, rule.severity, name, rule.title, evidence, rule.why,
                rule.fix.format(detail=detail, machine=name))
        for rule in sorted(rules, key=lambda rule: rule.code)
        for name, facts in seen.facts.items()
        for evidence, detail in rule.check(name, facts, seen)
    ]  # fmt: skip
