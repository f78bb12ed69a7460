"""Who may do what on Kafka: one user a service, literal names, all else denied. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from common.bus import Access, Deed, Resource
from common.messages.topics import (
    APP_INSTANCES,
    JOB_COMMANDS,
    JOB_EVENTS,
    NODE_EVENTS,
    NODE_HEARTBEATS,
    NODE_LOADS,
    NODES,
    SERVICE_HEARTBEATS,
    dead_letter_of,
    fixed_topics,
    node_commands,
    node_topics,
)

_READS = {
    "rota_app": (NODE_LOADS, SERVICE_HEARTBEATS),
    "rota_scheduler": (APP_INSTANCES, JOB_EVENTS, SERVICE_HEARTBEATS),
    "rota_deployer": (
        JOB_COMMANDS, NODE_EVENTS, NODE_HEARTBEATS, NODES, NODE_LOADS, SERVICE_HEARTBEATS,
    ),
    "rota_balancer": (NODES,),
    "rota_nodes": (NODE_HEARTBEATS,),
    "rota_client": (NODES,),  # and its own node's commands
}  # fmt: skip
_WRITES = {
    "rota_app": (APP_INSTANCES,),
    "rota_scheduler": (JOB_COMMANDS,),
    "rota_deployer": (JOB_EVENTS,),
    "rota_balancer": (NODE_LOADS,),
    "rota_nodes": (NODES,),
    "rota_client": (NODE_HEARTBEATS, NODE_EVENTS),
}
_GROUPS = {
    "rota_scheduler": ("scheduler",),
    "rota_deployer": ("deployment_manager",),
    "rota_nodes": ("node-manager",),
}


def access_rules(nodes: Sequence[str]) -> list[Access]:
    """List every permission of every service, for these nodes; who is not named may do nothing.

    Who reads a topic may write its dead letter; every service tells that it lives. The application
    manager may look into dead letters.
    """
    commands = [node_commands(node) for node in nodes]
    reads = {**_READS, "rota_client": (*_READS["rota_client"], *commands)}
    writes = {user: (*topics, SERVICE_HEARTBEATS) for user, topics in _WRITES.items()}
    writes["rota_deployer"] += tuple(commands)
    letters = [t.name for t in (*fixed_topics(), *(t for n in nodes for t in node_topics(n)))
               if t.name.endswith(".dlq")]  # fmt: skip
    groups = {**_GROUPS, "rota_client": tuple(f"client-{node}" for node in nodes)}
    rules = []
    for user, topics in reads.items():
        rules += [Access(user, Deed.READ, Resource.TOPIC, topic) for topic in topics]
        rules += [Access(user, Deed.WRITE, Resource.TOPIC, dead_letter_of(t)) for t in topics]
    for user, topics in writes.items():
        rules += [Access(user, Deed.WRITE, Resource.TOPIC, topic) for topic in topics]
    for user, names in groups.items():
        rules += [Access(user, Deed.READ, Resource.GROUP, name) for name in names]
    rules += [Access("rota_app", Deed.READ, Resource.TOPIC, letter) for letter in letters]
    return sorted(set(rules))
