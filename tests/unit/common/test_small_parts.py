"""Logs, settings, clocks, hashes: the small parts everything stands on."""

import io
import json
import logging
from datetime import UTC, datetime, timedelta

import pytest

from common import logs
from common.clock import ManualClock
from common.config import Settings
from common.db.clock import DisciplinedClock
from common.errors import ConfigError
from common.hashing import partition_of
from common.jobs import container_name_of, job_id_of, shard_of
from common.secret import Secret

START = datetime(2026, 11, 23, 8, tzinfo=UTC)
CANARY = "canary-7f3a"


@pytest.fixture
def lines():
    stream = io.StringIO()
    logs.configure("toy", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logs.configure("toy")


def test_a_log_line_is_one_json_object_with_its_event_first(lines):
    logs.logger("room").info("job_started", job_id="a.b", count=2)
    [line] = lines()
    assert next(iter(line)) == "event"
    expected = {"event": "job_started", "service": "toy", "room": "room", "level": "info",
                "job_id": "a.b", "count": 2}
    assert {key: line[key] for key in expected} == expected


def test_secrets_never_reach_the_log(lines):
    log = logs.logger("room")
    log.info("x", value=Secret(CANARY), password=CANARY, api_token=CANARY,
             nested={"db": {"MYSQL_PASSWORD": CANARY}, "list": [Secret(CANARY)]})
    logging.getLogger("uvicorn").warning("with %s", Secret(CANARY))
    assert len(lines()) == 2
    assert CANARY not in json.dumps(lines())


def log_a_failure():
    try:
        int("why")
    except ValueError:
        logs.logger("room").exception("failed")


def test_an_exception_is_a_field(lines):
    log_a_failure()
    assert "ValueError: invalid literal" in lines()[0]["exception"]


def test_drivers_keep_their_noise_to_themselves(lines):
    logging.getLogger("kafka.net.manager").error("reconnect")
    logging.getLogger("paramiko.transport").error("reconnect")
    assert lines() == []


def test_a_terminal_gets_no_traceback():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    logs.configure("toy", stream=stream)
    log_a_failure()
    logs.configure("toy")
    assert "Traceback" not in stream.getvalue()
    assert "why" in stream.getvalue()


def test_settings_come_from_the_environment_or_a_file(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s3cret-thing\n")
    settings = Settings({"ROTA_X_FILE": str(secret), "ROTA_N": "3", "ROTA_EMPTY": ""})
    assert settings.secret("X").reveal() == "s3cret-thing"
    assert settings.integer("N") == 3
    assert settings.text("EMPTY", "default") == "default"
    assert settings.number("M", 0.5) == 0.5


@pytest.mark.parametrize("environment", [
    {}, {"ROTA_X": ""}, {"ROTA_X": "changeme"}, {"ROTA_X": "Password"}, {"ROTA_X_FILE": "/none"}])
def test_a_missing_or_well_known_secret_is_refused(environment):
    with pytest.raises(ConfigError):
        Settings(environment).secret("X")


def test_kafka_and_mysql_settings():
    settings = Settings({
        "ROTA_KAFKA_BOOTSTRAP": "a:1,b:2", "ROTA_KAFKA_USER": "u", "ROTA_KAFKA_PASSWORD": "pw-1",
        "ROTA_MYSQL_HOST": "h", "ROTA_MYSQL_USER": "u", "ROTA_MYSQL_PASSWORD": "pw-2",
        "ROTA_MYSQL_ADMIN_USER": "root", "ROTA_MYSQL_ADMIN_PASSWORD": "pw-3"})
    assert settings.kafka().bootstrap == ("a:1", "b:2")
    assert (settings.mysql("d").port, settings.mysql("d").database) == (3306, "d")
    admin = settings.mysql(section="MYSQL_ADMIN")
    assert (admin.host, admin.user, admin.password.reveal()) == ("h", "root", "pw-3")
    assert "pw-" not in repr(settings.kafka()) + repr(admin)


@pytest.mark.parametrize(("key", "partition"), [
    # from kafka's own org.apache.kafka.common.utils.UtilsTest: murmur2 of these, positive, mod 16
    ("21", -973932308), ("foobar", -790332482), ("a-little-bit-long-string", -985981536),
    ("a-little-bit-longer-string", -1486304829), ("abc", 479470107)])
def test_keys_are_hashed_as_kafka_does(key, partition):
    assert partition_of(key, 16) == (partition & 0x7FFFFFFF) % 16
    assert shard_of(key) == partition_of(key, 16)


def test_job_ids_are_readable_and_one_to_one():
    assert job_id_of("hostel-a", START, 0) == "hostel-a.20261123T080000Z.0"
    by_hand = job_id_of("hostel-a", START + timedelta(microseconds=5), 1)
    assert by_hand == "hostel-a.20261123T080000_000005Z.1"
    assert container_name_of(by_hand, 2) == "rota-hostel-a.20261123T080000_000005Z.1-2"


class TestDisciplinedClock:
    def make(self, ahead_s=5.0):
        machine = ManualClock(START)
        ahead = timedelta(seconds=ahead_s)
        epoch = machine.monotonic()
        # the database's clock runs evenly, whatever happens to the machine's
        return machine, DisciplinedClock(
            machine, lambda: START + ahead + timedelta(seconds=machine.monotonic() - epoch))

    def test_it_follows_the_database(self):
        machine, clock = self.make()
        assert not clock.is_trusted()
        clock.sync()
        machine.advance(timedelta(seconds=3))
        assert clock.now() == START + timedelta(seconds=8)
        assert clock.offset_s == 5.0
        assert clock.is_trusted()

    @pytest.mark.parametrize("jump_s", [3600, -3600, 1.5])
    def test_a_jump_of_the_wall_clock_moves_nothing_but_suspends_trust(self, jump_s):
        machine, clock = self.make()
        clock.sync()
        before = clock.now()
        machine.set(machine.now() + timedelta(seconds=jump_s))
        assert clock.now() == before
        assert not clock.is_trusted()
        assert not clock.is_trusted()
        clock.sync()
        assert clock.is_trusted()

    def test_an_old_sync_is_not_trusted(self):
        machine, clock = self.make()
        clock.sync()
        machine.advance(timedelta(seconds=61))
        assert not clock.is_trusted()
