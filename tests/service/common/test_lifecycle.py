"""A service process from start to end, on the memory bus."""

import http.client
import json
import threading

import pytest

from common import lifecycle
from common.bus import BusUnavailableError, StuckConsumerError
from common.bus.memory import MemoryBus
from common.errors import ConfigError
from common.messages import SERVICE_HEARTBEATS, decode, fixed_topics


def run(build, **environment):
    return lifecycle.run("toy", build, environment=environment, stopping=threading.Event())


def service_of(*loops, **options):
    return lambda _context: lifecycle.Service(loops=loops, **options)


def test_bad_configuration_is_one_line_and_exit_78(capsys):
    assert run(lambda context: context.settings.secret("X")) == 78
    error = capsys.readouterr().err
    assert error == "toy: ROTA_X_FILE (or ROTA_X) is not set: a secret is needed\n"


def test_a_bad_configuration_found_by_a_loop_is_exit_78():
    def fail():
        raise ConfigError("no C extension")

    assert run(service_of(lifecycle.every(1, "loop", fail))) == 78


def test_a_fatal_error_ends_the_process_with_1():
    def fail():
        raise StuckConsumerError

    assert run(service_of(lifecycle.every(1, "loop", fail))) == 1


def test_ten_unexpected_errors_in_a_row_end_the_process_with_1(monkeypatch):
    monkeypatch.setattr("common.loops._backoff_s", lambda _attempt: 0.0)
    calls = []

    def fail():
        calls.append(1)
        raise ValueError("bug")

    assert run(service_of(lifecycle.every(1, "loop", fail))) == 1
    assert len(calls) == 10


def test_retryable_errors_never_end_the_process(monkeypatch):
    monkeypatch.setattr("common.loops._backoff_s", lambda _attempt: 0.0)
    calls = []

    def build(context):
        def fail():
            calls.append(1)
            if len(calls) == 50:
                context.stopping.set()
            raise BusUnavailableError

        return lifecycle.Service(loops=[lifecycle.every(1, "loop", fail)])

    assert run(build) == 0
    assert len(calls) >= 50


def test_stop_wakes_waiting_loops_finishes_the_round_and_closes():
    events = []
    bus = MemoryBus()

    def build(context):
        consumer = bus.consumer(None)

        def poll():
            context.stopping.set()
            consumer.poll(60)
            events.append("round")

        return lifecycle.Service(
            loops=[lifecycle.forever("poll", poll, consumer.wake),
                   lifecycle.every(3600, "rare", lambda: None)],
            close=lambda: events.append("closed"),
        )

    assert run(build) == 0
    assert events == ["round", "closed"]


def test_health_and_heartbeat_tell_what_the_checks_found(monkeypatch):
    monkeypatch.setattr(lifecycle, "HEARTBEAT_S", 0.01)
    bus = MemoryBus()
    bus.create_topics(fixed_topics())
    seen = {}

    def get(path):
        connection = http.client.HTTPConnection("127.0.0.1", seen["port"], timeout=5)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def look(context):
        consumer = bus.consumer(None)
        consumer.assign(bus.partitions_of(SERVICE_HEARTBEATS))
        while True:  # until the first heartbeat that knows the checks
            for record in consumer.poll(5):
                heartbeat = decode(SERVICE_HEARTBEATS, record.value)
                if heartbeat.health:
                    seen["heartbeat"] = heartbeat
                    seen["paths"] = {path: get(path) for path in
                                     ("/livez", "/readyz?verbose", "/metrics", "/version", "/x")}
                    context.stopping.set()
                    return 60.0

    def start(health, host, port):
        server = real_start(health, host, port)
        seen["port"] = server.server_address[1]
        return server

    real_start = lifecycle.start_health_server
    monkeypatch.setattr(lifecycle, "start_health_server", start)

    def broken():
        raise BusUnavailableError("no broker")

    def build(context):
        return lifecycle.Service(
            loops=[lifecycle.every(60, "look", lambda: look(context))],
            checks={"kafka": broken, "mysql": lambda: None},
            figures={"jobs": lambda: 3},
            producer=bus.producer(),
        )

    assert run(build, ROTA_REPLICA="r1") == 0
    heartbeat = seen["heartbeat"]
    assert (heartbeat.service, heartbeat.replica, heartbeat.figures) == ("toy", "r1", {"jobs": 3.0})
    assert heartbeat.health == {"kafka": "BusUnavailableError: no broker", "mysql": "ok"}
    assert seen["paths"]["/livez"] == (200, "ok\n")
    assert seen["paths"]["/readyz?verbose"] == (
        503, "kafka: BusUnavailableError: no broker\nmysql: ok\n")
    assert 'rota_figure{name="jobs"} 3.0' in seen["paths"]["/metrics"][1]
    assert json.loads(seen["paths"]["/version"][1])["service"] == "toy"
    assert seen["paths"]["/x"][0] == 404


@pytest.mark.parametrize("answers", [[True], [False, False, True]])
def test_wait_for_returns_when_the_check_passes(answers):
    left = list(answers)

    def check():
        if not left.pop(0):
            raise BusUnavailableError

    assert lifecycle.wait_for(check, threading.Event(), pause_s=0)
    assert left == []


def test_wait_for_gives_up_when_stopped():
    stopping = threading.Event()

    def check():
        stopping.set()
        raise BusUnavailableError

    assert not lifecycle.wait_for(check, stopping, pause_s=0)


def test_the_others_wait_until_what_comes_first_says_it_has_begun():
    begun, order = threading.Event(), []

    def build(context):
        def first():
            order.append("first")
            begun.set()

        def other():
            order.append("other")
            context.stopping.set()

        return lifecycle.Service(
            first=[lifecycle.every(1, "first", first)],
            loops=[lifecycle.every(1, "other", other)],
            begun=begun,
        )

    assert run(build) == 0
    assert order == ["first", "other"]


def test_the_others_begin_though_what_comes_first_never_does(monkeypatch):
    monkeypatch.setattr("common.lifecycle.BEGIN_WITHIN_S", 0.01)

    def build(context):
        first = [lifecycle.every(1, "first", lambda: None)]
        return lifecycle.Service(
            first=first, loops=[lifecycle.every(1, "other", context.stopping.set)]
        )

    assert run(build) == 0
