"""Notices by mail, handed to a real mail server in this process."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword

from application_manager.domain.notices import NotTakenError
from application_manager.mail import mail_of
from application_manager.notifier import Notifier
from common.clock import SystemClock
from common.config import Settings
from common.errors import ConfigError
from platform_initializer.certificates import issue, make_authority
from tests.service.application_manager.bench import World, schedule_file
from tests.service.application_manager.test_notifier import happen
from tests.support.inbox import Inbox, served

PASSWORD = "canary-of-the-mail-server"
Send = Callable[[str, dict[str, Any]], None]


def settings(port: int, **more: str) -> Settings:
    given = {"HOST": "127.0.0.1", "PORT": str(port), "FROM": "Rota <rota@example.org>", **more}
    return Settings({f"ROTA_MAIL_{key}": value for key, value in given.items()})


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def send(inbox: Inbox) -> Iterator[Send]:
    with served(inbox) as port:
        yield mail_of(settings(port, TLS="none"))


def body(**more: Any) -> dict[str, Any]:
    return {"event": "failed", "job_id": "a.20260302T115900Z.0", "instance": "a", "state": "FAILED",
            "detail": "exit code 3, grüße", "attempt": 1, "node": None,
            "at": "2026-03-02T12:00:00Z", **more}  # fmt: skip


def test_a_letter_says_which_job_and_what(send: Send, inbox: Inbox) -> None:
    send("mailto:ops+night@example.org", body())
    send("mailto:ops+night@example.org", body())
    letter, again = inbox.letters
    assert inbox.receivers == ["ops+night@example.org"] * 2
    assert letter["Subject"] == "Rota: a failed (a.20260302T115900Z.0)"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Message-ID"] == again["Message-ID"], "twice is seen as once"
    text = letter.get_payload(decode=True).decode()
    assert "detail: exit code 3, grüße" in text
    assert "node:" not in text


def test_a_refusal_is_told_without_the_address(send: Send, inbox: Inbox) -> None:
    with pytest.raises(NotTakenError) as refused:
        send("mailto:nobody@example.org", body())
    assert str(refused.value) == "the mail server refused the address: 550"
    inbox.answer = "452 ops@example.org is full"
    with pytest.raises(NotTakenError) as full:
        send("mailto:ops@example.org", body())
    assert str(full.value) == "the mail server answered 452"


def login(_server, _session, _envelope, _mechanism, data) -> AuthResult:
    good = isinstance(data, LoginPassword) and data == LoginPassword(b"rota", PASSWORD.encode())
    return AuthResult(success=good, handled=False)


@pytest.fixture
def port_with_tls(inbox: Inbox, tmp_path: Path) -> Iterator[int]:
    now = SystemClock().now()
    authority = make_authority("test", now)
    own = issue(authority, "mail", ["127.0.0.1"], now)
    for name, text in {"ca.pem": authority.certificate, "own.pem": own.certificate + own.key,
                       "password": PASSWORD + "\n"}.items():  # fmt: skip
        (tmp_path / name).write_text(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "own.pem")
    with served(inbox, tls_context=context, require_starttls=True, auth_required=True,
                authenticator=login) as port:  # fmt: skip
        yield port


def test_it_logs_in_over_tls_with_the_password_of_a_file(
    port_with_tls: int, inbox: Inbox, tmp_path: Path
) -> None:
    told = {"USER": "rota", "PASSWORD_FILE": str(tmp_path / "password")}
    trusted = {**told, "CA_FILE": str(tmp_path / "ca.pem")}
    mail_of(settings(port_with_tls, **trusted))("mailto:ops@example.org", body())
    assert PASSWORD not in inbox.letters[0].as_string()
    with pytest.raises(ssl.SSLCertVerificationError):
        mail_of(settings(port_with_tls, **told))("mailto:ops@example.org", body())
    (tmp_path / "password").write_text("canary-that-is-wrong")
    with pytest.raises(NotTakenError) as refused:
        mail_of(settings(port_with_tls, **trusted))("mailto:ops@example.org", body())
    assert str(refused.value) == "the mail server answered 535"


@pytest.mark.parametrize(("given", "said"), [
    ({"TLS": "ssl"}, "starttls, tls or none"),
    ({"TLS": "none", "USER": "rota", "PASSWORD": PASSWORD}, "in the clear"),
    ({"USER": "rota"}, "ROTA_MAIL_PASSWORD_FILE"),
    ({"FROM": ""}, "ROTA_MAIL_FROM"),
])  # fmt: skip
def test_settings_that_do_not_fit_end_the_start(given: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        mail_of(settings(25, **given))
    assert PASSWORD not in str(refused.value)


def test_without_a_server_it_is_said_which_setting_is_missing() -> None:
    with pytest.raises(NotTakenError, match="ROTA_MAIL_HOST"):
        mail_of(Settings({}))("mailto:ops@example.org", body())


def rounds(notifier: Notifier, count: int) -> None:
    for _ in range(count):
        notifier.run_once()
        notifier.mail_once()


def test_one_event_is_told_by_both_ways_and_each_is_tried_for_itself(
    world: World, send: Send, inbox: Inbox
) -> None:
    both = "notify: {url: 'https://hooks.test/x', mail: ops@example.org}"
    world.apply(schedule_file("a", more=both + "\n    env: {KEY: secret-canary}"))
    posted: list[str] = []
    notifier = Notifier(world.parts.database, world.clock,
                        lambda url, _body: posted.append(url), send)  # fmt: skip
    notifier.run_once()
    inbox.answer = "451 later"
    happen(world, "FAILED")
    rounds(notifier, 1)
    assert (posted, inbox.letters) == (["https://hooks.test/x"], [])
    inbox.answer = "250 taken"
    world.clock.advance(timedelta(seconds=1))
    rounds(notifier, 2)
    assert (len(posted), len(inbox.letters)) == (1, 1)
    assert "secret-canary" not in inbox.letters[0].as_string()
    told = {each["channel"]: each for each in world.get("/notices")["items"]}
    assert {way: (each["url"], each["state"], each["tries"]) for way, each in told.items()} == {
        "webhook": ("https://hooks.test/…", "sent", 1),
        "mail": ("mailto:…@example.org", "sent", 2),
    }


def test_a_mail_target_is_removed_as_it_was_added(world: World, send: Send, inbox: Inbox) -> None:
    world.apply(schedule_file("a", more="notify: {mail: ops@example.org}"))
    notifier = Notifier(world.parts.database, world.clock, mail=send)
    notifier.run_once()
    world.apply(schedule_file("a"))
    happen(world, "FAILED")
    rounds(notifier, 1)
    assert (inbox.letters, world.get("/notices")["items"]) == ([], [])
