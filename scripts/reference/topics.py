"""The page on Kafka's topics, drawn from the messages and the permissions."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from common.bus import Deed, Resource
from common.messages.topics import fixed_topics, node_topics, types_of
from platform_initializer.access import access_rules
from platform_initializer.domain.services import KAFKA_USERS
from scripts.reference.source import NOTE, table

NODE = "<id>"
_HEAD = f"""\
{NOTE}

# Topics

Kafka carries wake-ups and commands; MySQL is the truth. Every message's fields are in
[asyncapi.json](asyncapi.json) (AsyncAPI 3). Values are JSON objects; unknown fields are ignored,
a record that cannot be used goes to the topic of the same name with `.dlq`, with the error. The
platform initializer makes all of them; nothing is created by itself.

A service may do on Kafka what stands here and nothing else (literal ACLs, all else denied). Any
program of yours that publishes instance ids does so as `rota_app`
([how](../quick-starts/application-manager.md)).
"""


def text() -> str:
    """Return the page."""
    names = {user: service.replace("_", " ") for service, user in KAFKA_USERS.items()}
    rules = [r for r in access_rules([NODE]) if r.resource is Resource.TOPIC]
    topics = [t for t in (*fixed_topics(), *node_topics(NODE)) if not t.name.endswith(".dlq")]
    rows = []
    for topic in topics:
        who = {deed: ", ".join(sorted(names[r.user] for r in rules
                                      if r.name == topic.name and r.deed is deed))
               for deed in (Deed.WRITE, Deed.READ)}  # fmt: skip
        kinds = ", ".join(f"`{one.__name__}`" for one in types_of(topic.name))
        kept = "the last of each key" if topic.compacted else _hours(topic.retention)
        rows.append([f"`{topic.name}`", kinds, who[Deed.WRITE], who[Deed.READ],
                     str(topic.partitions), kept])  # fmt: skip
    head = ["topic", "messages", "written by", "read by", "partitions", "kept"]
    lines = [_HEAD, *table(head, rows), "", "## Messages", ""]
    kinds_of_all = sorted({k for t in topics for k in types_of(t.name)}, key=lambda k: k.__name__)
    told = [[f"`{k.__name__}`", " ".join((inspect.getdoc(k) or "").split())] for k in kinds_of_all]
    return "\n".join([*lines, *table(["message", "meaning"], told)]) + "\n"


def _hours(retention: Mapping[str, str]) -> str:
    hours = int(retention["retention.ms"]) // 3_600_000
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"
