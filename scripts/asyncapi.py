"""Writes docs/reference/asyncapi.json (AsyncAPI 3): ``python -m scripts.asyncapi``."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import msgspec

from common.messages.envelope import Message
from common.messages.topics import dead_letter_of, fixed_topics, node_topics, types_of

TARGET = Path(__file__).resolve().parent.parent / "docs" / "reference" / "asyncapi.json"
NODE = "{node_id}"
_WRITERS = {
    "app.instances": "application manager, or any producer",
    "job.commands": "scheduler",
    "job.events": "deployment manager",
    "nodes": "node manager",
    "node.heartbeats": "platform clients",
    "node.events": "platform clients",
    "node.loads": "load balancer",
    "service.heartbeats": "all services",
    "node.{node_id}.commands": "deployment manager",
}


def document() -> dict[str, Any]:
    """Return the whole document; equal messages give equal documents."""
    topics = [t for t in (*fixed_topics(), *node_topics(NODE)) if not t.name.endswith(".dlq")]
    types = sorted({one for t in topics for one in types_of(t.name)}, key=lambda c: c.__name__)
    _, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Rota's topics",
            "version": "1",
            "description": "Kafka carries wake-ups and commands; MySQL is the truth. Every topic"
            " has a dead letter of the same name with .dlq, where a record that cannot be used goes"
            " with the error. Unknown fields are ignored, an unknown version is a dead letter.",
        },
        "defaultContentType": "application/json",
        "channels": {_id(t.name): _channel(t.name, t.partitions, t.compacted) for t in topics},
        "operations": {
            f"{action}_{_id(t.name)}": {
                "action": action,
                "channel": {"$ref": f"#/channels/{_id(t.name)}"},
            }
            for t in topics
            for action in ("receive", "send")
        },
        "components": {
            "messages": {
                one.__name__: {
                    "name": one.__name__,
                    "summary": inspect.getdoc(one),
                    "payload": {"$ref": f"#/components/schemas/{one.__name__}"},
                }
                for one in types
            },
            "schemas": schemas,
        },
    }


def text() -> str:
    """Return the document as the file has it."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _channel(topic: str, partitions: int, compacted: bool) -> dict[str, Any]:
    types: tuple[type[Message], ...] = types_of(topic)
    channel: dict[str, Any] = {
        "address": topic,
        "description": f"Written by: {_WRITERS[topic]}. Dead letter: {dead_letter_of(topic)}.",
        "messages": {
            one.__name__: {"$ref": f"#/components/messages/{one.__name__}"} for one in types
        },
        "bindings": {
            "kafka": {
                "partitions": partitions,
                "topicConfiguration": {"cleanup.policy": ["compact" if compacted else "delete"]},
            }
        },
    }
    if NODE in topic:
        channel["parameters"] = {"node_id": {"description": "the name of the machine"}}
    return channel


def _id(topic: str) -> str:
    return topic.replace(".", "_").replace(NODE, "node")


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
    print(f"wrote {TARGET.name}")
