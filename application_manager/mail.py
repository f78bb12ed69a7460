"""Sending a notice as a mail, by SMTP. When, how often and to whom is the notifier's."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

from application_manager.domain.channels import TEST
from application_manager.domain.notices import NotTakenError
from common.config import Settings
from common.errors import ConfigError
from common.secret import Secret

TIMEOUT_S = 5.0
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True)
class Mailer:
    """One mail server and who writes; each notice is a connection of its own."""

    host: str
    port: int
    sender: str
    tls: str = "starttls"
    user: str | None = None
    password: Secret | None = None
    ca_file: str | None = None

    def send(self, url: str, body: dict[str, Any]) -> None:
        """Hand a notice for ``mailto:…`` to the server; raises `NotTakenError` or `OSError`.

        The error names no address, and repeats nothing the server said: that may hold either.
        """
        letter = letter_of(body, self.sender, urlsplit(url).path)
        try:
            with self._connected() as server:
                server.send_message(letter)
        except smtplib.SMTPRecipientsRefused as error:
            codes = {code for code, _ in error.recipients.values()}
            raise NotTakenError(f"the mail server refused the address: {_said(codes)}") from None
        except smtplib.SMTPResponseException as error:
            raise NotTakenError(f"the mail server answered {error.smtp_code}") from None
        except smtplib.SMTPException as error:
            raise NotTakenError(f"the mail server: {type(error).__name__}") from None

    def _connected(self) -> smtplib.SMTP:
        server: smtplib.SMTP
        if self.tls == "tls":
            server = smtplib.SMTP_SSL(
                self.host, self.port, timeout=TIMEOUT_S, context=self._trust()
            )
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_S)
        try:
            if self.tls == "starttls":
                server.starttls(context=self._trust())
            if self.user is not None and self.password is not None:
                server.login(self.user, self.password.reveal())
        except BaseException:
            server.close()
            raise
        return server

    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)


def mail_of(settings: Settings) -> Callable[[str, dict[str, Any]], None]:
    """Return what sends mail as the settings say; `ConfigError` where they do not fit."""
    host = settings.optional("MAIL_HOST")
    if host is None:
        return send_nothing
    tls, user = settings.text("MAIL_TLS", "starttls"), settings.optional("MAIL_USER")
    if tls not in _PORTS:
        raise ConfigError(f"ROTA_MAIL_TLS is starttls, tls or none, not {tls!r}")
    if user and tls == "none":
        raise ConfigError("ROTA_MAIL_USER with ROTA_MAIL_TLS=none would send the password in the"
                          " clear: set ROTA_MAIL_TLS to starttls or tls")  # fmt: skip
    has_ca = settings.optional("MAIL_CA_FILE") is not None
    return Mailer(
        host=host, port=settings.integer("MAIL_PORT", _PORTS[tls]),
        sender=settings.text("MAIL_FROM"), tls=tls, user=user,
        password=settings.secret("MAIL_PASSWORD") if user else None,
        ca_file=settings.path("MAIL_CA_FILE") if has_ca else None,
    ).send  # fmt: skip


def send_nothing(_url: str, _body: dict[str, Any]) -> None:
    """Stand in for a mail server where none is set; `rota notice list -o wide` shows why."""
    raise NotTakenError("no mail server is set: name one under `mail` in platform.yml, then"
                        " rota platform up (it sets ROTA_MAIL_HOST)")  # fmt: skip


def letter_of(body: dict[str, Any], sender: str, to: str) -> EmailMessage:
    """Write a notice as a letter; the same one has the same Message-ID, so two are seen as one."""
    letter = EmailMessage()
    letter["From"], letter["To"] = sender, to
    letter["Subject"] = f"Rota: {body['instance']} {body['event']} ({body['job_id']})"
    letter["Date"] = format_datetime(datetime.fromisoformat(body["at"]))
    mark = f"{body['event']}.{body['state']}.{body['attempt']}.{body['job_id']}"
    letter["Message-ID"] = f"<{mark}@rota.{sender.rpartition('@')[2].strip('<> ')}>"
    letter["Auto-Submitted"] = "auto-generated"
    lines = [f"{key}: {value}" for key, value in body.items() if value is not None]
    if body["event"] != TEST:
        lines += ["", f"More: rota job explain {body['job_id']}"]
    letter.set_content("\n".join([*lines, ""]))
    return letter


def _said(codes: set[int]) -> str:
    return ", ".join(str(code) for code in sorted(codes))
