"""Kafka and MySQL that are servers of yours: what must be allowed there, and what is lacking. Pure.

Sources: Kafka's table of operations by request (kafka.apache.org, Authorization and ACLs); MySQL's
table of privileges by statement (dev.mysql.com, Privileges Provided by MySQL).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

CLUSTER_NEEDS = {
    "DESCRIBE": "see what it may do",
    "CREATE": "make topics",
    "ALTER": "make users and permissions",
}
DATABASES = ("rota_app", "rota_nodes", "rota_scheduler", "rota_deployer")
DATABASE_NEEDS = frozenset({
    "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "REFERENCES",
    "GRANT OPTION",
})  # fmt: skip
SERVER_NEEDS = frozenset({"CREATE USER"})
USERS_NEEDS = frozenset({"SELECT"})  # `SHOW GRANTS` of another user reads there
_SHOWN = re.compile(r"GRANT (?P<rights>.+?) ON (?P<scope>\S+) TO \S+(?P<more>.*)", re.IGNORECASE)


@dataclass(frozen=True)
class External:
    """One server of yours. `addresses` are `host:port`; `authority` is PEM text."""

    addresses: tuple[str, ...]
    user: str
    authority: str

    def host_and_port(self) -> tuple[str, str]:
        """Return the first address in two."""
        host, _, port = self.addresses[0].rpartition(":")
        return host, port


def missing_on_cluster(user: str, allowed: Collection[str]) -> list[str]:
    """Say what a Kafka user may not do and must, each with the command that allows it."""
    return [
        f"{user} may not {why}: it needs {operation} on the cluster (kafka-acls --add"
        f" --allow-principal User:{user} --operation {operation.title()} --cluster)"
        for operation, why in CLUSTER_NEEDS.items()
        if not {operation, "ALL"} & set(allowed)
    ]


def missing_on_server(user: str, grants: Sequence[str]) -> list[str]:
    """Say what a MySQL user lacks by its `SHOW GRANTS`, each with the statement that gives it.

    Rights that come by a role are not told there; where there is one, nothing is called missing.
    """
    shown = list(_shown(grants))
    if any(" ON " not in grant for grant in grants):
        return []
    found = _lacking(user, "*.*", SERVER_NEEDS, shown)
    found += _lacking(user, "`mysql`.*", USERS_NEEDS, shown)
    for database in DATABASES:
        found += _lacking(user, f"`{database}`.*", DATABASE_NEEDS, shown)
    return found


def _lacking(
    user: str, scope: str, needed: Collection[str], shown: Sequence[tuple[str, set[str]]]
) -> list[str]:
    database = scope.removesuffix(".*").strip("`")
    held = {right for pattern, rights in shown if _covers(pattern, database) for right in rights}
    lacking = set(needed) - held
    if "ALL PRIVILEGES" in held:
        lacking &= {"GRANT OPTION"}
    if not lacking:
        return []
    option = " WITH GRANT OPTION" if "GRANT OPTION" in lacking else ""
    rights = ", ".join(sorted(lacking - {"GRANT OPTION"})) or "USAGE"
    told = ", ".join(sorted(lacking))
    if lacking == DATABASE_NEEDS:
        told, rights = "all rights", "ALL"
    return [f"{user} lacks {told} on {scope} (GRANT {rights} ON {scope} TO '{user}'{option})"]


def _shown(grants: Sequence[str]) -> Iterator[tuple[str, set[str]]]:
    for grant in grants:
        if not (found := _SHOWN.match(grant)):
            continue
        rights = {right.strip().upper() for right in found["rights"].split(",")}
        if "WITH GRANT OPTION" in found["more"].upper():
            rights.add("GRANT OPTION")
        if not found["scope"].endswith(".*"):
            continue  # a single table's
        yield found["scope"].removesuffix(".*").replace("`", ""), rights


def _covers(named: str, database: str) -> bool:
    """Tell whether a grant is on a database: named so, or on all.

    A pattern is not enough: MySQL lets nobody give rights on what only a pattern of
    theirs matches (met on 9.7: error 1044 at GRANT).
    """
    return named in {"*", database}
