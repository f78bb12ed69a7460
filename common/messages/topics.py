"""The topics: names, partitions, and which message types each carries."""

from __future__ import annotations

from common.bus import TopicSpec
from common.jobs import SHARDS
from common.messages.envelope import Message
from common.messages.jobs import DeploymentChanged, InstanceChanged, KillJob, PrepareJob, StartJob
from common.messages.nodes import (
    ContainerChanged,
    NodeChanged,
    NodeHeartbeat,
    NodeLoad,
    PrepareContainer,
    ServiceHeartbeat,
    StartContainer,
    StopContainer,
)

APP_INSTANCES = "app.instances"
JOB_COMMANDS = "job.commands"
JOB_EVENTS = "job.events"
NODES = "nodes"
NODE_HEARTBEATS = "node.heartbeats"
NODE_EVENTS = "node.events"
NODE_LOADS = "node.loads"
SERVICE_HEARTBEATS = "service.heartbeats"

_TYPES: dict[str, tuple[type[Message], ...]] = {
    APP_INSTANCES: (InstanceChanged,),
    JOB_COMMANDS: (StartJob, KillJob, PrepareJob),
    JOB_EVENTS: (DeploymentChanged,),
    NODES: (NodeChanged,),
    NODE_HEARTBEATS: (NodeHeartbeat,),
    NODE_EVENTS: (ContainerChanged,),
    NODE_LOADS: (NodeLoad,),
    SERVICE_HEARTBEATS: (ServiceHeartbeat,),
}
_NODE_COMMAND_TYPES: tuple[type[Message], ...] = (
    StartContainer,
    StopContainer,
    PrepareContainer,
)
_PARTITIONS = {APP_INSTANCES: SHARDS, JOB_COMMANDS: SHARDS, JOB_EVENTS: SHARDS, NODE_EVENTS: 4}
_COMPACTED = {NODES, NODE_LOADS}
_HOUR = {"retention.ms": "3600000"}
_WEEK = {"retention.ms": "604800000"}


def node_commands(node_id: str) -> str:
    """Name the topic of one node's commands."""
    return f"node.{node_id}.commands"


def dead_letter_of(topic: str) -> str:
    """Name the topic where unreadable records of `topic` go."""
    return f"{topic}.dlq"


def types_of(topic: str) -> tuple[type[Message], ...]:
    """Return the message types a topic carries; an unknown topic is a `KeyError`."""
    if topic.startswith("node.") and topic.endswith(".commands"):
        return _NODE_COMMAND_TYPES
    return _TYPES[topic]


def fixed_topics() -> list[TopicSpec]:
    """List every topic that does not depend on the nodes, dead letters included."""
    topics: list[TopicSpec] = []
    for name in _TYPES:
        retention = _HOUR if name.endswith(("heartbeats", "loads")) else _WEEK
        topics.append(TopicSpec(name, _PARTITIONS.get(name, 1), name in _COMPACTED, retention))
        topics.append(TopicSpec(dead_letter_of(name), retention=_WEEK))
    return topics


def node_topics(node_id: str) -> list[TopicSpec]:
    """List the topics one node needs."""
    name = node_commands(node_id)
    return [TopicSpec(name, retention=_WEEK), TopicSpec(dead_letter_of(name), retention=_WEEK)]
