"""Many receivers, some dead, some slow: none costs another more than the time of one try."""

from __future__ import annotations

import json
import socket
import threading
from datetime import timedelta
from typing import Any

import pytest

from application_manager import delivery
from application_manager.delivery import deliver, post
from common.clock import ManualClock
from tests.service.application_manager.bench import NOON
from tests.support.hostile import peer_that


def notices(*urls: str) -> list[dict[str, Any]]:
    return [{"notice_id": n, "url": url, "body": json.dumps({"n": n})} for n, url in enumerate(urls)]


def test_dead_receivers_are_waited_for_beside_each_other() -> None:
    together = threading.Barrier(3)

    def send(url: str, _: dict[str, Any]) -> None:
        if "dead" in url:
            together.wait(10)  # until all three are being asked
            raise TimeoutError

    urls = [f"https://dead-{n}.test/x" for n in range(3)]
    told = list(deliver(send, notices(*urls, *urls, "https://ops.test/x"), ManualClock(NOON)))
    failed = [notice["url"] for notice, error in told if isinstance(error, TimeoutError)]
    assert sorted(failed) == sorted([*urls, *urls]), "the second notice of each shares its error"
    assert [notice["url"] for notice, error in told if error is None] == ["https://ops.test/x"]


def test_who_is_slow_is_left_for_the_next_round() -> None:
    clock = ManualClock(NOON)

    def send(_url: str, _body: dict[str, Any]) -> None:
        clock.advance(timedelta(seconds=3))

    told = list(deliver(send, notices(*["https://slow.test/x"] * 5), clock))
    assert [notice["notice_id"] for notice, _ in told] == [0, 1], "3 s, 6 s: no third after 5 s"


def test_a_receiver_that_goes_on_talking_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def trickle(peer: socket.socket, stopping: threading.Event) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not stopping.wait(0.02):
            peer.sendall(b"x")

    monkeypatch.setattr(delivery, "TIMEOUT_S", 0.2)
    with peer_that(trickle) as port, pytest.raises(TimeoutError):
        post(f"http://127.0.0.1:{port}/", {})


def test_an_endless_answer_is_not_read() -> None:
    def answer(peer: socket.socket, stopping: threading.Event) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\n\r\nand so on" if peer.recv(65536) else b"")
        stopping.wait(10)

    with peer_that(answer) as port:
        post(f"http://127.0.0.1:{port}/", {"event": "test"})
