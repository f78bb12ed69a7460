"""Channels of notices from the command line."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from application_manager.domain.notices import NotTakenError
from application_manager.notifier import Notifier
from tests.service.application_manager.bench import schedule_file
from tests.service.cli.conftest import Command


@contextmanager
def sending(rota: Command, error: Exception | None = None) -> Iterator[list[str]]:
    """Let the application manager's notifier run beside the command, as its loops do."""
    posted: list[str] = []

    def post(url: str, _body: dict[str, Any]) -> None:
        posted.append(url)
        if error:
            raise error

    notifier = Notifier(rota.world.parts.database, rota.world.clock, post, post)
    over = threading.Event()

    def run() -> None:
        while not over.wait(0.02):
            notifier.run_once()
            notifier.mail_once()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield posted
    finally:
        over.set()
        thread.join()


def test_a_channel_is_added_tested_listed_and_removed(rota: Command) -> None:
    rota.world.apply(schedule_file("a", "b", more="notify: {mail: anna@example.org}"))
    assert rota("notice", "add", "ops", "--url", "https://hooks.test/x", "--on", "late").code == 0
    with sending(rota) as posted:
        done = rota("notice", "test", "ops")
    assert (done.code, posted) == (0, ["https://hooks.test/x"])
    assert "https://hooks.test/…: took it" in done.err
    table = rota("notice", "channels").out.splitlines()
    assert table[1].split()[:4] == ["ops", "webhook", "https://hooks.test/…", "late"]
    assert "test sent" in table[1]
    assert "the file of a and 1 more" in table[2]
    assert rota("notice", "channels", "-o", "name").out == "ops\n"
    shown = json.loads(rota("notice", "channels", "-o", "json").out)
    assert [each["last"] is None for each in shown] == [False, True]
    assert rota("notice", "remove", "ops").code == 2, "it asks, and nobody is here"
    assert rota("notice", "remove", "ops", "--yes").code == 0
    assert rota("notice", "remove", "ops", "--yes").code == 4


def test_a_test_that_is_not_taken_says_why_and_ends_with_8(rota: Command) -> None:
    rota.world.apply(schedule_file("a", more="notify: {mail: anna@example.org}"))
    with sending(rota, NotTakenError("the mail server answered 535")):
        done = rota("notice", "test", "--instance", "a")
    assert done.code == 8
    assert "why:   the mail server answered 535" in done.err
    for words in (("test",), ("test", "ops", "--instance", "a"), ("add", "ops"),
                  ("add", "ops", "--url", "https://x.test", "--mail", "a@b.test")):  # fmt: skip
        assert rota("notice", *words).code == 2, words
