"""Names of images, taken apart."""

import pytest

from common.image import full_name, name_of_image, repository_of, short_digest, split_image

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(("image", "name", "digest", "repository", "full"), [
    ("heating", "heating", None, "heating", "heating:latest"),
    ("shop/heating:1.4", "shop/heating:1.4", None, "shop/heating", "shop/heating:1.4"),
    ("registry:5000/heating", "registry:5000/heating", None, "registry:5000/heating",
     "registry:5000/heating:latest"),
    (f"registry:5000/heating:1@{DIGEST}", "registry:5000/heating:1", DIGEST,
     "registry:5000/heating", "registry:5000/heating:1"),
    (f"heating@{DIGEST}", "heating", DIGEST, "heating", "heating:latest"),
    ("docker.io/library/busybox:1", "docker.io/library/busybox:1", None,
     "docker.io/library/busybox", "busybox:1"),
    ("docker.io/shop/heating", "docker.io/shop/heating", None, "docker.io/shop/heating",
     "shop/heating:latest"),
])  # fmt: skip
def test_a_name_is_taken_apart(image, name, digest, repository, full):
    assert split_image(image) == (name, digest)
    assert (name_of_image(image), repository_of(image), full_name(image)) == (name, repository, full)


def test_a_digest_is_shown_by_its_first_digits():
    assert short_digest(DIGEST) == "sha256:abababababab"
