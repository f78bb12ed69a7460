"""Every message, its topic and its key.

A message is a frozen struct; commands are imperative, events past tense. On the wire it is one
JSON object: the envelope (`id, type, version, time, cause`) beside the message's own fields.
Unknown fields are ignored; an unknown type or version is unreadable and goes to the dead letter.
States travel as whole snapshots with a `revision`, so doubled and reordered ones do no harm.
"""

from common.messages.codec import decode, encode, key_of
from common.messages.jobs import (
    DeploymentChanged,
    DeploymentState,
    InstanceChanged,
    KillJob,
    PrepareJob,
    RunSpec,
    StartJob,
)
from common.messages.nodes import (
    ContainerChanged,
    ContainerState,
    HeldImage,
    NodeChanged,
    NodeHeartbeat,
    NodeLoad,
    NodeState,
    PrepareContainer,
    RunningContainer,
    ServiceHeartbeat,
    StartContainer,
    StopCause,
    StopContainer,
)
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

__all__ = [
    "APP_INSTANCES", "JOB_COMMANDS", "JOB_EVENTS", "NODES", "NODE_EVENTS", "NODE_HEARTBEATS",
    "NODE_LOADS", "SERVICE_HEARTBEATS", "ContainerChanged", "ContainerState", "DeploymentChanged",
    "DeploymentState", "HeldImage", "InstanceChanged", "KillJob", "NodeChanged", "NodeHeartbeat",
    "NodeLoad", "NodeState", "PrepareContainer", "PrepareJob", "RunSpec", "RunningContainer",
    "ServiceHeartbeat", "StartContainer", "StartJob", "StopCause", "StopContainer",
    "dead_letter_of", "decode", "encode", "fixed_topics", "key_of", "node_commands", "node_topics",
]  # fmt: skip
