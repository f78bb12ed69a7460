"""Who belongs to the fleet: rules one by one, then invariants over random histories."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.messages import NodeHeartbeat, NodeState
from node_manager.domain.membership import (
    after_heartbeat,
    after_silence,
    after_wish,
    forgive,
    to_be_probed,
)
from node_manager.domain.node import Moment, Probe, Wish

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
    back = after_heartbeat(lost, beat(), at(50))
    assert (back.state, back.reason) == (
        NodeState.SUSPECT, "it is back: what it runs is compared first")
    assert back.revision == lost.revision + 1
    compared = after_heartbeat(after_heartbeat(back, beat(), at(55)), beat(), at(60))
    assert (compared.state, compared.reason) == (NodeState.ACTIVE, None)


def test_a_restarted_node_is_compared_first_too():
    back = after_heartbeat(node(), beat(boot_id="b2"), at(5))
    assert back.state is NodeState.SUSPECT
    assert back.reason == "restarted: boot b2; it is back: what it runs is compared first"
    assert after_heartbeat(back, beat(boot_id="b2"), at(15)).state is NodeState.ACTIVE


def fall_silent_and_return(one, seconds):
    one = silence([one], seconds + 16).changed[0]
    return after_heartbeat(one, beat(), at(seconds + 17))


def test_a_flapping_node_is_used_again_after_a_minute_without():
    once = fall_silent_and_return(node(), 0)
    twice = fall_silent_and_return(once, 17)
    assert (once.state, twice.state) == (NodeState.ACTIVE, NodeState.ACTIVE)
    thrice = fall_silent_and_return(twice, 34)
    assert thrice.state is NodeState.SUSPECT
    assert "3 times or more within 10 min" in thrice.reason
    assert after_heartbeat(thrice, beat(), at(110)).state is NodeState.SUSPECT
    steady = after_heartbeat(thrice, beat(), at(111))
    assert (steady.state, steady.reason) == (NodeState.ACTIVE, None)


def test_silences_that_were_ours_are_not_held_against_it():
    one = node()
    for number in range(5):
        heard = number * 20
        one = silence([one], heard + 16).changed[0]
        (one,) = forgive([one], at(heard + 18))
        one = after_heartbeat(one, beat(), at(heard + 20))
    assert one.state is NodeState.ACTIVE


def test_old_silences_are_forgotten():
    one = fall_silent_and_return(fall_silent_and_return(node(), 0), 17)
    later = replace(one, heard_at=at(700).monotonic)
    assert fall_silent_and_return(later, 700).state is NodeState.ACTIVE


@pytest.mark.parametrize(("skews", "reason"), [
    ([0.1, -1.9, 1.9], None),
    ([3600], "its clock is over 2 s ahead"),
    ([-30, -3], None),  # two slow ways
    ([-30, -3, -0.1], None),
    ([-3600, -3600, -3600], "its clock is over 2 s behind"),
    ([-3600, -3600, -3600, 0], None),
])
def test_a_node_with_a_wrong_clock_gets_nothing_new(skews, reason):
    one = None
    for number, skew in enumerate(skews):
        one = after_heartbeat(one, beat(), at(number), skew)
    assert one.reason == reason
    assert one.state is (NodeState.SUSPECT if reason else NodeState.ACTIVE)


def test_wishes_drain_and_use_again_and_are_told_once():
    drained = after_wish(node(), Wish.DRAINING, "move", at(1))
    assert (drained.state, drained.drain, drained.revision) == (NodeState.DRAINING, "move", 2)
    assert after_wish(drained, Wish.DRAINING, "move", at(2)) is drained
    assert after_heartbeat(drained, beat(), at(5)).state is NodeState.DRAINING
    used = after_wish(drained, Wish.NONE, None, at(6))
    assert (used.state, used.reason) == (NodeState.SUSPECT, "in use again")
    assert after_heartbeat(used, beat(), at(7)).state is NodeState.ACTIVE
    removed = after_wish(used, Wish.REMOVED, None, at(8))
    assert after_heartbeat(removed, beat(), at(9)).state is NodeState.REMOVED


def test_a_lost_node_may_be_drained_and_stays_lost_until_it_is_heard():
    lost = after_wish(silence([node()], 40).changed[0], Wish.DRAINING, "wait", at(41))
    assert lost.state is NodeState.LOST
    assert after_heartbeat(lost, beat(), at(50)).state is NodeState.DRAINING


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
    (silent,) = silence([draining], 20).changed
    assert (silent.state, silent.reason) == (NodeState.DRAINING, "silent for 15 s")
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
