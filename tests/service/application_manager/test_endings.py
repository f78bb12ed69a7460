"""What /metrics says of the ends of jobs and of certificates."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from application_manager.endings import Endings
from application_manager.expiry import AGAIN_S, Expiry, Server, servers_of
from application_manager.server import HttpConfig
from common.clock import SystemClock
from common.config import KafkaConfig
from platform_initializer.certificates import CERTIFICATE_LIVES, issue, make_authority
from tests.service.application_manager.bench import NOON, World

JOB = "a.20260302T120100Z.0"


def count_of(state: str) -> float | None:
    return REGISTRY.get_sample_value("rota_jobs_ended_total", {"state": state})


@contextmanager
def tls_server(context: ssl.SSLContext) -> Iterator[int]:
    """Shake hands with whoever comes first; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            with suppress(OSError), listening.accept()[0] as plain:
                context.wrap_socket(plain, server_side=True).close()

        greeting = threading.Thread(target=greet)
        greeting.start()
        yield listening.getsockname()[1]
        greeting.join(5)


def test_each_end_is_counted_once_by_state(world: World) -> None:
    world.put_job(JOB)
    endings = Endings(world.parts.database)
    world.write("put_event", job_id=JOB, at=NOON, from_state="RUNNING", to_state="FAILED")
    endings.run_once()
    before = {state: count_of(state) for state in ("FAILED", "MISSED", "ENDED")}
    world.write("put_event", job_id=JOB, at=NOON, from_state="QUEUED", to_state="RUNNING")
    world.write("put_event", job_id=JOB, at=NOON, from_state="RUNNING", to_state="FAILED")
    world.write("put_event", job_id=JOB, at=NOON, from_state="QUEUED", to_state="MISSED")
    endings.run_once()
    endings.run_once()
    assert count_of("FAILED") == before["FAILED"] + 1
    assert count_of("MISSED") == before["MISSED"] + 1
    assert count_of("ENDED") == before["ENDED"]
    assert count_of("RUNNING") is None


def test_a_servers_certificate_is_read_from_the_server(tmp_path: Path) -> None:
    now = SystemClock().now()
    authority = make_authority("test", now)
    shown = issue(authority, "kafka", ["192.0.2.1"], now)
    (tmp_path / "ca.pem").write_text(authority.certificate)
    (tmp_path / "tls.pem").write_text(shown.certificate + shown.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls.pem")
    with tls_server(context) as port:
        Expiry({"here": Server("127.0.0.1", port, str(tmp_path / "ca.pem"))}).run_once()
    seen = REGISTRY.get_sample_value(
        "rota_certificate_expires_timestamp_seconds", {"server": "here"}
    )
    assert seen == pytest.approx((now + CERTIFICATE_LIVES).timestamp(), abs=60)


def test_a_server_that_does_not_answer_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    expiry = Expiry({"gone": Server("127.0.0.1", 1, str(tmp_path / "ca.pem"))})
    assert expiry.run_once() == AGAIN_S
    labels = {"server": "gone"}
    assert REGISTRY.get_sample_value("rota_certificate_expires_timestamp_seconds", labels) is None


def test_every_broker_and_the_page_are_looked_at_where_they_speak_tls() -> None:
    brokers = ("m1:9092", "m2:9092")
    plain, secured = HttpConfig("m1", 8443), HttpConfig("m1", 8443, "cert.pem", "key.pem")
    assert servers_of(KafkaConfig(brokers), secured) == {}
    trusting = KafkaConfig(brokers, ca_file="ca.pem")
    assert list(servers_of(trusting, plain)) == ["kafka m1:9092", "kafka m2:9092"]
    assert servers_of(trusting, secured)["page"] == Server("m1", 8443, "ca.pem")
