"""Every message on the wire, as a file that is never changed for the same version.

A failing test here means that services of two releases would not understand each other. New fields
with a default are fine: add them to the file. A changed meaning is a new version.
"""

import json
from pathlib import Path

import pytest

from common.errors import UnreadableMessageError
from common.messages import decode, encode, key_of, node_commands, topics
from common.messages.topics import fixed_topics, types_of

GOLDEN = Path(__file__).parent / "golden"
TOPICS = [spec.name for spec in fixed_topics() if not spec.name.endswith(".dlq")]
TOPICS.append(node_commands("m1"))
CASES = [(topic, message_type) for topic in TOPICS for message_type in types_of(topic)]
KEYS = {
    "InstanceChanged": "hostel-a-heating", "NodeChanged": "m1", "NodeHeartbeat": "m1",
    "NodeLoad": "m1", "ServiceHeartbeat": "scheduler/r1",
}
JOB = "hostel-a-heating.20261123T080000Z.0"


def golden(message_type):
    return (GOLDEN / f"{message_type.__name__}.json").read_bytes()


@pytest.mark.parametrize(("topic", "message_type"), CASES)
def test_a_message_is_read_and_written_as_its_golden_file(topic, message_type):
    message = decode(topic, golden(message_type))
    assert type(message) is message_type
    assert json.loads(encode(message)) == json.loads(golden(message_type))


@pytest.mark.parametrize(("topic", "message_type"), CASES)
def test_the_golden_file_shows_every_field(topic, message_type):
    shown = set(json.loads(golden(message_type)))
    assert shown == {"type", *message_type.__struct_encode_fields__}


@pytest.mark.parametrize(("topic", "message_type"), CASES)
def test_unknown_fields_are_ignored_and_unknown_versions_and_types_are_not(topic, message_type):
    fields = json.loads(golden(message_type))
    decode(topic, json.dumps({**fields, "brand_new": 1}).encode())
    for changed in ({"version": 2}, {"type": "Nonsense"}, {"time": "2026-11-23T08:00:00"}):
        with pytest.raises(UnreadableMessageError):
            decode(topic, json.dumps({**fields, **changed}).encode())


@pytest.mark.parametrize(("topic", "message_type"), CASES)
def test_the_key_keeps_together_what_belongs_together(topic, message_type):
    assert key_of(decode(topic, golden(message_type))) == KEYS.get(message_type.__name__, JOB)


def test_every_type_has_one_topic_and_every_file_a_type():
    names = [message_type.__name__ for _, message_type in CASES]
    assert len(names) == len(set(names))
    assert {path.stem for path in GOLDEN.iterdir()} == set(names)


def test_every_consumed_topic_has_a_dead_letter():
    names = {spec.name for spec in fixed_topics()} | {s.name for s in topics.node_topics("m1")}
    assert all(f"{topic}.dlq" in names for topic in TOPICS)
