"""`rota login`: remember where the platform is, and the token that opens it."""

from __future__ import annotations

import sys
from getpass import getpass
from pathlib import Path

from cli.api import Api
from cli.connection import Connection, save_connection
from cli.errors import CliError, ExitCode


def remember(url: str, token_file: str | None, ca_file: str | None = None) -> None:
    """Try the token on the platform, then keep both for this user only."""
    token = _token(token_file)
    ca_file = str(Path(ca_file).absolute()) if ca_file else None  # it is used in other folders, too
    who = Api(Connection(url.rstrip("/"), token, ca_file)).get("/me")
    path = save_connection(url, token, ca_file)
    print(f"logged in as {who['name']} ({who['role']}); kept in {path}", file=sys.stderr)


def _token(token_file: str | None) -> str:
    if token_file == "-":  # noqa: S105 - stdin, as everywhere
        token = sys.stdin.readline().strip()
    elif token_file:
        try:
            token = Path(token_file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise CliError(f"cannot read {token_file}", why=error.strerror,
                           exit_code=ExitCode.USAGE) from error  # fmt: skip
    elif sys.stdin.isatty():
        token = getpass("API token: ").strip()
    else:
        token = ""
    if not token:
        raise CliError("no token was given", next_command="rota login URL --token-file FILE",
                       exit_code=ExitCode.USAGE)  # fmt: skip
    return token
