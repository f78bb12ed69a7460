"""Messages to bytes and back."""

from __future__ import annotations

from functools import cache
from typing import Any, Union

import msgspec

from common.errors import UnreadableMessageError
from common.messages.envelope import Message
from common.messages.jobs import InstanceChanged
from common.messages.nodes import NodeChanged, NodeHeartbeat, NodeLoad, ServiceHeartbeat
from common.messages.topics import types_of

_ENCODER = msgspec.json.Encoder()
VERSIONS = frozenset({1})


class _Header(msgspec.Struct):
    version: int = 1


_HEADER = msgspec.json.Decoder(_Header)


def encode(message: Message) -> bytes:
    """Write a message as one JSON object."""
    return _ENCODER.encode(message)


def decode(topic: str, payload: bytes) -> Message:
    """Read a record of `topic`; raise `UnreadableMessageError` with the reason in words."""
    try:
        version = _HEADER.decode(payload).version
        if version not in VERSIONS:
            raise UnreadableMessageError(f"version {version} is not known here")
        message: Message = _decoder(topic).decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableMessageError(str(error)) from error
    return message


def key_of(message: Message) -> str:
    """Return the record key a message travels under: it keeps what belongs together in order."""
    match message:
        case InstanceChanged():
            return message.instance_id
        case NodeChanged() | NodeHeartbeat() | NodeLoad():
            return message.node_id
        case ServiceHeartbeat():
            return f"{message.service}/{message.replica}"
        case _:
            job_id: str = message.job_id  # type: ignore[attr-defined]
            return job_id


@cache
def _decoder(topic: str) -> msgspec.json.Decoder[Any]:
    types = types_of(topic)
    return msgspec.json.Decoder(Union[types] if len(types) > 1 else types[0])  # noqa: UP007
