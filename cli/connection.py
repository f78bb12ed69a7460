"""Where the platform is and what opens it: remembered by `rota login`, used by every other group.

ROTA_URL and ROTA_TOKEN_FILE win over the file `config.json` in `$XDG_CONFIG_HOME/rota` (mode 0600).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from cli.errors import CliError, ExitCode


@dataclass(frozen=True)
class Connection:
    """How to reach one platform's application manager."""

    url: str
    token: str
    ca_file: str | None = None


def config_file() -> Path:
    """Return where the connection is kept."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "rota" / "config.json"


def save_connection(url: str, token: str, ca_file: str | None = None) -> Path:
    """Remember a platform, for this user only; return the file."""
    path = config_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = json.dumps({"url": url.rstrip("/"), "token": token, "ca_file": ca_file}, indent=2)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
    fresh.replace(path)
    return path


def load_connection() -> Connection:
    """Return the platform to talk to; raises `CliError` when none is known."""
    kept = _kept()
    url = os.environ.get("ROTA_URL") or kept.get("url")
    token_file = os.environ.get("ROTA_TOKEN_FILE")
    token = _read_token(token_file) if token_file else kept.get("token")
    if not url or not token:
        raise CliError(
            "no platform is known",
            where=str(config_file()),
            why="nobody has logged in here yet",
            next_command="rota login URL --token-file FILE   (or: rota platform up)",
            exit_code=ExitCode.USAGE,
        )
    return Connection(url.rstrip("/"), token, os.environ.get("ROTA_CA_FILE") or kept.get("ca_file"))


def _kept() -> dict[str, str]:
    path = config_file()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise CliError(f"cannot read {path}", why=error.strerror,
                       exit_code=ExitCode.USAGE) from error  # fmt: skip
    try:
        kept: dict[str, str] = json.loads(text)
    except ValueError as error:
        raise CliError(f"{path} is not JSON", why=str(error), next_command="rota login",
                       exit_code=ExitCode.USAGE) from error  # fmt: skip
    return kept


def _read_token(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CliError(f"cannot read the token file {path}", why=error.strerror,
                       exit_code=ExitCode.USAGE) from error  # fmt: skip
