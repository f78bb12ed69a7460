"""Who belongs to the fleet: rules one by one, then invariants over random histories."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.messages import NodeHeartbeat, NodeState
from node_manager.domain.membership import (
    Moment,
    Probe,
    Wish,
    after_heartbeat,
    after_silence,
    forgive,
    to_be_probed,
)

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def at(seconds):
    return Moment(START + timedelta(seconds=seconds), 1000.0 + seconds)


def beat(node_id="m1", **fields):
    fields = {"boot_id": "b1", "address": "10.0.0.1", "cpus": 2.0, "memory_bytes": 1 << 30, **fields}
    return NodeHeartbeat(node_id=node_id, sequence=1, log_port=7110, **fields)


def node(node_id="m1", heard=0.0, **fields):
    return replace(after_heartbeat(None, beat(node_id), at(heard)), **fields)


def silence(nodes, seconds, probe=Probe.UNCONFIGURED, forgiven_until=0.0):
    probes = {one.node_id: probe for one in nodes}
    return after_silence(nodes, probes, at(seconds), forgiven_until=1000.0 + forgiven_until)


def test_a_new_node_is_active_at_revision_1():
    one = node()
    assert (one.state, one.revision, one.since) == (NodeState.ACTIVE, 1, START)


def test_a_heartbeat_without_news_tells_nobody():
    one = after_heartbeat(node(), beat(), at(5))
    assert (one.revision, one.heard_at, one.last_heartbeat) == (1, 1005.0, at(5).wall)


@pytest.mark.parametrize(("seconds", "probe", "state"), [
    (14.9, Probe.UNCONFIGURED, NodeState.ACTIVE),
    (15, Probe.UNCONFIGURED, NodeState.SUSPECT),
    (29.9, Probe.SILENT, NodeState.SUSPECT),
    (30, Probe.SILENT, NodeState.LOST),
    (30, Probe.UNCONFIGURED, NodeState.LOST),
    (300, Probe.ALIVE, NodeState.SUSPECT),
    (300, Probe.UNKNOWN, NodeState.SUSPECT),
])
def test_silence(seconds, probe, state):
    one = node()
    for moment in (15, seconds):
        if moment <= seconds:
            one = next(iter(silence([one], moment, probe).changed), one)
    assert one.state is state


def test_no_loss_while_the_silence_may_be_ours():
    suspect = silence([node()], 40, forgiven_until=60)
    assert suspect.changed[0].state is NodeState.SUSPECT
    assert silence(suspect.changed, 59, forgiven_until=60).changed == ()
    assert silence(suspect.changed, 60, forgiven_until=60).changed[0].state is NodeState.LOST


def test_a_lost_node_returns_by_its_heartbeat():
    lost = silence([node()], 40).changed[0]
    back = after_heartbeat(lost, beat(boot_id="b2"), at(50))
    assert (back.state, back.reason) == (NodeState.ACTIVE, "restarted: boot b2")
    assert back.revision == lost.revision + 1


def test_mass_loss_freezes_until_half_is_back():
    nodes = [node(f"m{number}") for number in range(3)] + [node("m3", heard=38)]
    verdict = silence(nodes, 40)
    assert verdict.frozen == "3 of 4 nodes fell silent together: none is declared lost"
    assert {one.state for one in verdict.changed} == {NodeState.SUSPECT}
    back = [node("m0", heard=39), node("m1", heard=39), *verdict.changed[2:], nodes[3]]
    after = silence(back, 41)
    assert after.frozen is None
    assert [one.state for one in after.changed] == [NodeState.LOST]


def test_staggered_silence_is_mass_loss_too():
    nodes = [node("m0", heard=0), node("m1", heard=4), node("m2", heard=30)]
    assert silence(nodes, 31).frozen is not None


def test_two_silent_nodes_of_two_are_lost():
    assert {one.state for one in silence([node("m0"), node("m1")], 31).changed} == {NodeState.LOST}


def test_draining_and_removed_outlive_silence_and_heartbeats():
    draining = node(wish=Wish.DRAINING, state=NodeState.DRAINING)
    assert silence([draining], 20).changed == ()
    lost = silence([draining], 31).changed[0]
    assert lost.state is NodeState.LOST
    assert after_heartbeat(lost, beat(), at(40)).state is NodeState.DRAINING
    removed = node(wish=Wish.REMOVED, state=NodeState.REMOVED)
    assert after_heartbeat(removed, beat(), at(5)).state is NodeState.REMOVED
    assert silence([removed], 99).changed == ()


def test_without_docker_a_node_gets_nothing_new_but_is_not_lost():
    ill = after_heartbeat(node(), beat(docker_ok=False, detail="hung"), at(5))
    assert (ill.state, ill.reason) == (NodeState.SUSPECT, "docker: hung")
    well = after_heartbeat(ill, beat(), at(10))
    assert (well.state, well.reason) == (NodeState.ACTIVE, None)


def test_a_second_machine_with_the_name_is_refused_and_told_once():
    first = node()
    refused = after_heartbeat(first, beat(address="10.0.0.9", boot_id="b9"), at(3))
    assert (refused.address, refused.boot_id, refused.heard_at) == ("10.0.0.1", "b1", 1000.0)
    assert "10.0.0.9" in (refused.reason or "")
    assert after_heartbeat(refused, beat(address="10.0.0.9", boot_id="b9"), at(4)) is refused
    kept = after_heartbeat(refused, beat(), at(5))
    assert (kept.address, kept.heard_at, kept.reason) == ("10.0.0.1", 1005.0, refused.reason)


def test_alternating_boots_at_one_address_are_two_machines():
    rebooted = after_heartbeat(node(), beat(boot_id="b2"), at(5))
    assert rebooted.boot_id == "b2"
    assert after_heartbeat(rebooted, beat(boot_id="b1"), at(6)).boot_id == "b2"


def test_a_moved_machine_is_taken_after_the_old_address_fell_silent():
    moved = after_heartbeat(node(), beat(address="10.0.0.9", boot_id="b2"), at(20))
    assert moved.address == "10.0.0.9"


def test_probing_begins_before_the_verdict():
    nodes = [node("m0", heard=0), node("m1", heard=20)]
    assert to_be_probed(nodes, at(26)) == ["m0"]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["beat", "rival", "reboot", "look", "forgive", "no docker"]),
        st.integers(0, 3),
        st.floats(0, 40),
        st.sampled_from(list(Probe)),
    ),
    max_size=60,
)


@given(EVENTS)
def test_invariants_over_random_histories(events):
    nodes, now_s, forgiven = {}, 0.0, 0.0
    for kind, number, wait_s, probe in events:
        now_s += wait_s
        name = f"m{number}"
        before = dict(nodes)
        if kind == "look":
            probes = dict.fromkeys(nodes, probe)
            verdict = after_silence(nodes.values(), probes, at(now_s), forgiven_until=forgiven)
            nodes |= {one.node_id: one for one in verdict.changed}
            lost = [one for one in verdict.changed if one.state is NodeState.LOST]
            if lost:
                assert verdict.frozen is None
                assert at(now_s).monotonic >= forgiven
                assert probe in (Probe.SILENT, Probe.UNCONFIGURED)
                assert all(now_s + 1000 - one.heard_at >= 30 for one in lost)
        elif kind == "forgive":
            forgiven = at(now_s).monotonic + 60
            nodes = {one.node_id: one for one in forgive(nodes.values(), at(now_s))}
        else:
            fields = {"rival": {"address": "10.9.9.9", "boot_id": "r"},
                      "reboot": {"boot_id": f"b{now_s}"},
                      "no docker": {"docker_ok": False}}.get(kind, {})
            nodes[name] = after_heartbeat(nodes.get(name), beat(name, **fields), at(now_s))
        for key, one in nodes.items():
            old = before.get(key)
            if old is not None:
                assert one.revision - old.revision in (0, 1)
                if one.state is not old.state or one.reason != old.reason:
                    assert one.revision == old.revision + 1
