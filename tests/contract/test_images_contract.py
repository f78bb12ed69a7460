"""Images by their content: what Docker does with digests, and its twin in memory alike."""

import subprocess

import pytest

from node_manager.client.domain.container import Policy, plan_container
from node_manager.client.engine import ImageMissingError, PullFailedError
from node_manager.client.engine.memory import MemoryEngine
from tests.support.clients import IMAGE, start_of
from tests.support.registry import registry


def plan(owner, image):
    return plan_container(start_of(owner.node_id, f"{owner.node_id}-a.0", "forever", image=image),
                          owner, Policy())  # fmt: skip


def put(engine, name, words):
    """Let a name stand for a content made of `words`, as sending an image over SSH does."""
    if isinstance(engine, MemoryEngine):
        engine.images.add(name)
        engine.contents[name] = f"sha256:{words}"
        return
    subprocess.run(["docker", "build", "-q", "-t", name, "-"], check=True, capture_output=True,
                   input=f"FROM {IMAGE}\nLABEL words={words}-{name}".encode())


def id_of(engine, name):
    (found,) = [one.id for one in engine.held_images() if one.name == name]
    return found


def test_the_content_that_was_registered_runs_and_another_under_its_name_does_not(engine, owner):
    name = f"rota/test-pin:{owner.node_id}"
    try:
        put(engine, name, "one")
        pinned = f"{name}@{id_of(engine, name)}"
        assert engine.has_image(pinned)
        engine.create(plan(owner, pinned))
        engine.remove(plan(owner, pinned).name)
        put(engine, name, "two")
        assert id_of(engine, name) != pinned.partition("@")[2]
        assert engine.has_image(name)
        assert not engine.has_image(pinned)
        with pytest.raises(ImageMissingError):
            engine.create(plan(owner, pinned))
        with pytest.raises(PullFailedError, match=r"sha256:.* not"):
            engine.pull(pinned, 20)
    finally:
        engine.remove_image(name)


def test_a_registry_gives_what_was_pinned_after_its_tag_has_moved(door, owner):
    with registry() as served:
        name = f"{served.address}/shop/heating:1"
        digest = served.push("shop/heating", "1", f"one {owner.node_id}")
        pinned = f"{name}@{digest}"
        door.pull(name, 20)
        (held,) = [one for one in door.held_images() if one.name == name]
        assert held.digest == digest
        by_id = f"{name}@{held.id}"
        assert door.has_image(pinned)
        assert door.has_image(by_id)
        served.push("shop/heating", "1", f"two {owner.node_id}")
        assert door.remove_image(pinned)
        assert door.remove_image(name)
        assert not door.has_image(pinned)
        try:
            door.pull(pinned, 20)
            assert door.has_image(pinned)
            door.create(plan(owner, pinned))
            made = subprocess.run(
                ["docker", "inspect", "-f", "{{.Image}}", plan(owner, pinned).name],
                capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip
            assert made == held.id
            door.remove(plan(owner, pinned).name)
            assert door.remove_image(pinned)
            with pytest.raises(PullFailedError, match=f"{name} is sha256:"):
                door.pull(by_id, 20)  # the tag is pulled, and is something else by now
        finally:
            door.remove_image(pinned)
            door.remove_image(name)
