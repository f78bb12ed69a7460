"""The policy of the app containers: a file of the operator's that goes to every client."""

from __future__ import annotations

from pathlib import Path

from common.errors import ConfigError
from node_manager.client.domain.container import read_policy


def policy_text(path: Path) -> str:
    """Return the file's text, read as the client will read it; raise `ConfigError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    read_policy(text)
    return text
