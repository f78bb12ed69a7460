"""The two kinds of failure every room knows: worth another try, or not.

A leaf's docstring is its default message. Doors translate their driver's errors into leaves of
these with ``raise ... from``; nobody else catches a driver's error.
"""

from __future__ import annotations


class RotaError(Exception):
    """Something went wrong in the platform."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or type(self).__name__).strip())


class Retryable(RotaError):  # noqa: N818 - a kind of error, read as an adjective
    """The same call may succeed later."""


class Permanent(RotaError):  # noqa: N818
    """The same call will fail again, however often it is made."""


class ConfigError(Permanent):
    """The configuration is wrong; the process exits with 78."""


class FatalError(Permanent):
    """This process cannot go on; its restart policy may help."""


class UnreadableMessageError(Permanent):
    """The message cannot be read as one of the types its topic carries."""
