"""Which content of an image may run on a machine."""

import pytest

from common.messages import HeldImage, RunSpec
from node_manager.client.domain.container import Policy, Relaxation, read_policy
from node_manager.client.engine.images import held_of, is_content

A, B = ("sha256:" + letter * 64 for letter in "ab")


def test_patterns_of_the_policy_are_of_names_not_of_digests():
    policy = Policy(allowed=("shop/heating:1",), images={"shop/heating:1": Relaxation(pids=7)})
    assert policy.refusal(RunSpec(image=f"shop/heating:1@{A}")) is None
    assert policy.for_image(f"shop/heating:1@{A}").pids == 7
    assert policy.refusal(RunSpec(image=f"shop/other:1@{A}"))


@pytest.mark.parametrize(("pin", "wanted", "is_refused_bare"), [
    ("digest", f"shop/heating:1@{A}", False),
    ("always", f"shop/heating:1@{A}", True),
    ("tag", "shop/heating:1", False),
])
def test_the_policy_says_whether_the_content_counts(pin, wanted, is_refused_bare):
    policy = read_policy(f'{{"default": {{"pin": "{pin}"}}}}')
    assert policy.wanted(f"shop/heating:1@{A}") == wanted
    refusal = policy.refusal(RunSpec(image="shop/heating:1"))
    assert (refusal is not None) == is_refused_bare
    assert policy.refusal(RunSpec(image=f"shop/heating:1@{A}")) is None


def test_names_are_told_with_the_digest_of_their_own_repository():
    found = {"Id": A, "RepoTags": ["shop/heating:1", "reg:5000/heating:1"],
             "RepoDigests": [f"reg:5000/heating@{B}"]}  # fmt: skip
    assert held_of(found) == [HeldImage(name="shop/heating:1", id=A),
                              HeldImage(name="reg:5000/heating:1", id=A, digest=B)]  # fmt: skip
    assert is_content(found, A)
    assert is_content(found, B)
    assert not is_content(found, "sha256:" + "c" * 64)


@pytest.mark.parametrize("tags", [None, [], ["<none>:<none>"]])
def test_an_image_without_a_name_is_not_told(tags):
    assert held_of({"Id": A, "RepoTags": tags, "RepoDigests": ["<none>@<none>"]}) == []
