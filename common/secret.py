"""Values that must never be printed."""

from __future__ import annotations

APP_SECRETS = "/etc/rota/app-secrets"
"""Where a machine has the files of apps' secrets: the folder is open to root alone."""


class Secret:
    """A text that prints as ``***``; `reveal` gives it to the door that needs it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)
