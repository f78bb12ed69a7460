"""Reads the part `mail` of the platform's file: the server that takes notices."""

from __future__ import annotations

import re
from pathlib import Path

from common.documents import Checker, Node
from common.schedule.values import MAIL
from common.secret import Secret
from platform_initializer.domain.description import MailServer

_TLS = ("starttls", "tls", "none")
_OPEN_TO_OTHERS = 0o077


def read_mail(checker: Checker, node: Node, folder: Path) -> MailServer:
    """Return the server, its password read from the file that is named; problems are noted."""
    known = {"host", "from", "port", "tls", "user", "password_file"}
    keys = checker.mapping(node, "mail", known=known, required=("host", "from"))
    texts = {key: checker.text(keys[key], f"mail.{key}") or ""
             for key in ("host", "from", "user", "password_file") if key in keys}  # fmt: skip
    if texts.get("from") and not re.fullmatch(MAIL, texts["from"]):
        checker.add(keys["from"], "mail.from", "bad_value", f"{texts['from']!r} is no address",
                    hint="one address, such as rota@example.org")  # fmt: skip
    port = checker.integer(keys["port"], "mail.port", 1, 65535) if "port" in keys else None
    tls = (checker.choice(keys["tls"], "mail.tls", _TLS) if "tls" in keys else None) or _TLS[0]
    user = texts.get("user") or None
    if user and tls == "none":
        checker.add(keys["tls"], "mail.tls", "bad_value", "the password would go in the clear",
                    hint="starttls or tls; a login needs one of them")  # fmt: skip
    if (user is None) != ("password_file" not in keys):
        checker.missing(node, "mail", "user" if user is None else "password_file")
    password = None
    if "password_file" in keys:
        password = _password(checker, keys["password_file"], folder / texts["password_file"])
    return MailServer(texts.get("host", ""), texts.get("from", ""), tls, port, user, password)


def _password(checker: Checker, node: Node, file: Path) -> Secret | None:
    try:
        if file.expanduser().stat().st_mode & _OPEN_TO_OTHERS:
            checker.add(node, "mail.password_file", "open_to_others", f"others may read {file}",
                        hint=f"chmod 600 {file}")  # fmt: skip
        return Secret(file.expanduser().read_text().strip())
    except OSError as error:
        checker.add(node, "mail.password_file", "unreadable", f"{file}: {error.strerror}",
                    hint="a file with the password alone, mode 0600")  # fmt: skip
    return None
