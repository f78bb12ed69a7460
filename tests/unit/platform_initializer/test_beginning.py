"""`init` and `machine add`: what a person types, and the file that comes of it."""

import pytest

from common.errors import ConfigError
from common.ssh.memory import MemoryDoor
from platform_initializer.beginning import (
    BadTargetError,
    Scanned,
    Target,
    parse_target,
    platform_text,
    scan,
)
from platform_initializer.document import parse_description
from platform_initializer.joining import labels_of, next_name, with_machine, without_machine

KEY = "SHA256:" + "A" * 43


@pytest.mark.parametrize(("text", "target"), [
    ("10.0.0.1", Target("10.0.0.1")), ("deploy@10.0.0.1", Target("10.0.0.1", "deploy")),
    ("deploy@host.example:2222", Target("host.example", "deploy", 2222)),
    ("[fd00::1]:22", Target("fd00::1")), ("a@fd00::1", Target("fd00::1", "a")),
])
def test_what_a_person_types(text, target):
    assert parse_target(text) == target


@pytest.mark.parametrize("text", ["", "@", "a@", "a@b@c", "a b", "h:0", "h:99999", "-x@h", "h;rm", "$(x)", "a@h\n"])
def test_what_is_no_machine(text):
    with pytest.raises(BadTargetError):
        parse_target(text)


def test_those_that_answer_and_those_that_do_not():
    door = MemoryDoor()
    machine = door.add("10.0.0.1", host_key=KEY)
    found, failures = scan([Target("10.0.0.1"), Target("10.0.0.2")], door)
    assert found == [Scanned("m1", Target("10.0.0.1"), KEY)]
    assert [failure.machine for failure in failures] == ["10.0.0.2"]
    assert machine.calls == []


def machines(*targets):
    return [Scanned(f"m{n}", target, KEY) for n, target in enumerate(targets, 1)]


def test_the_file_says_what_was_scanned(tmp_path):
    text = platform_text("acme", machines(Target("10.0.0.1", "deploy"), Target("h", "root", 2222)), ["/k"])
    read = parse_description(text.encode(), "platform.yml", tmp_path)
    assert read.platform == "acme"
    assert [(m.name, m.address, m.login.user, m.login.port, m.host_key) for m in read.machines] == [
        ("m1", "10.0.0.1", "deploy", 22, KEY), ("m2", "h", "root", 2222, KEY)]
    assert read.machines[0].login.keys == ("/k",)
    assert sum(line.startswith("#") for line in text.splitlines()) > 15, "it explains itself"


def test_without_machines_this_one_is_meant(tmp_path):
    read = parse_description(platform_text("acme", ()).encode(), "platform.yml", tmp_path)
    assert [(m.name, m.is_local) for m in read.machines] == [("here", True)]


def test_a_bad_name_writes_no_file():
    with pytest.raises(ConfigError):
        platform_text("Not A Name", ())


def test_one_machine_more_keeps_comments_and_order(tmp_path):
    text = platform_text("acme", machines(Target("10.0.0.1"), Target("10.0.0.2"))) + "# the end\n"
    new = Scanned("m3", Target("10.0.0.3", "deploy"), KEY)
    longer = with_machine(text.encode(), new, {"zone": "b"}, tmp_path / "platform.yml")
    read = parse_description(longer.encode(), "platform.yml", tmp_path)
    assert read.machine_names() == ["m1", "m2", "m3"]
    assert dict(read.machines[2].labels) == {"zone": "b"}
    assert read.machines[2].login.user == "deploy"
    added = longer[longer.index("  - name: m3"):longer.index('labels: {"zone"')]
    before, after = longer.split(added)
    assert before + after.split("\n", 1)[1] == text


def test_a_file_of_another_form_is_not_broken_but_told(tmp_path):
    text = f'version: 1\nplatform: a\nmachines: [{{name: m1, address: h, host_key: "{KEY}"}}]\n'
    with pytest.raises(ConfigError, match="write"):
        with_machine(text.encode(), Scanned("m2", Target("i"), KEY), {}, tmp_path / "p.yml")


def test_names_and_labels():
    assert next_name(["m1", "m3"]) == "m2"
    assert next_name([]) == "m1"
    assert labels_of(["zone=b", "tier=shared"]) == {"zone": "b", "tier": "shared"}
    with pytest.raises(ConfigError):
        labels_of(["zone"])


def test_one_machine_less_leaves_all_else_as_it_was(tmp_path):
    text = platform_text("acme", machines(*(Target(f"10.0.0.{n}") for n in (1, 2, 3))))
    path = tmp_path / "platform.yml"
    for gone in ("m1", "m2", "m3"):
        shorter = without_machine(text.encode(), gone, path)
        read = parse_description(shorter.encode(), "platform.yml", tmp_path)
        assert read.machine_names() == [name for name in ("m1", "m2", "m3") if name != gone]
        assert [line for line in text.splitlines() if line.startswith("#")] == [
            line for line in shorter.splitlines() if line.startswith("#")]


@pytest.mark.parametrize(("more", "gone", "told"), [
    ("services: {mysql: {on: [m2]}}\n", "m2", "pinned"), ("", "m9", "another form"),
])
def test_a_machine_that_is_needed_or_not_there_is_told(tmp_path, more, gone, told):
    text = platform_text("acme", machines(Target("10.0.0.1"), Target("10.0.0.2"))) + more
    with pytest.raises(ConfigError, match=told):
        without_machine(text.encode(), gone, tmp_path / "platform.yml")
