"""The names of images: `repository[:tag][@digest]`, where the digest pins the very content.

A digest is ``sha256:`` and 64 hexadecimal digits: of the manifest, as a registry tells it, or the
image's id, as Docker tells it of what was loaded without a registry
(docs/adr/0020-images-are-pinned-to-their-content.md).
"""

from __future__ import annotations

from fnmatch import fnmatchcase

_DEFAULT_TAG = "latest"
_HUBS = ("docker.io/library/", "docker.io/", "index.docker.io/library/", "index.docker.io/")
_SHOWN_DIGITS = 12


def split_image(image: str) -> tuple[str, str | None]:
    """Return the name without its digest, and the digest if there is one.

    >>> split_image("shop/heating:1.4@sha256:12ab")
    ('shop/heating:1.4', 'sha256:12ab')
    """
    name, _, digest = image.partition("@")
    return name, digest or None


def name_of_image(image: str) -> str:
    """Return the name without its digest."""
    return split_image(image)[0]


def is_named_by(image: str, pattern: str) -> bool:
    """Tell whether a shell-like pattern means the image: by its name, or with its digest."""
    return fnmatchcase(name_of_image(image), pattern) or fnmatchcase(image, pattern)


def repository_of(image: str) -> str:
    """Return the name without tag and digest; the port of a registry is no tag."""
    name = name_of_image(image)
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def full_name(image: str) -> str:
    """Return the name as Docker lists it: with its tag, without Docker Hub's address."""
    name = name_of_image(image)
    for hub in _HUBS:
        name = name.removeprefix(hub)
    return name if name != repository_of(name) else f"{name}:{_DEFAULT_TAG}"


def short_digest(digest: str) -> str:
    """Return the digest as people compare it: its first 12 digits.

    >>> short_digest("sha256:0123456789abcdef")
    'sha256:0123456789ab'
    """
    kind, _, digits = digest.partition(":")
    return f"{kind}:{digits[:_SHOWN_DIGITS]}"
