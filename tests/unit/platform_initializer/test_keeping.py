"""Backups, certificates and the audit, without machines."""

import json
from datetime import timedelta

import pytest

from common.clock import ManualClock
from common.errors import ConfigError
from platform_initializer import backup as module
from platform_initializer.audit import audited, parse_lines, path_of, read_here
from platform_initializer.backup import Archive, lay_down, open_archive
from platform_initializer.domain.description import local_description
from platform_initializer.errors import Failure, MachineError
from platform_initializer.renewal import certificates, drop_ending
from platform_initializer.secret_store import SecretStore
from tests.unit.platform_initializer.worlds import NOW

DATA = b"\x1f\x8b not really compressed"


@pytest.fixture
def platform(tmp_path):
    return local_description(tmp_path / "old")


@pytest.fixture
def kept(platform):
    """Return the store of a platform that was up."""
    store = SecretStore(platform.store)
    store.complete()
    store.certify("rota", {"kafka": ["10.0.0.1"], "mysql": ["10.0.0.1"]}, NOW)
    return store


def packed(platform, monkeypatch):
    monkeypatch.setattr(module, "_dump", lambda *_: DATA)
    file = platform.folder / "platform.yml"
    file.write_text("version: 1\n")
    return module.back_up(platform, None, file, NOW)


def test_a_backup_holds_data_secrets_and_file(platform, kept, monkeypatch):
    archive = open_archive(packed(platform, monkeypatch))
    assert (archive.platform, archive.made_at) == ("rota", "2026-01-01T00:00:00+00:00")
    assert archive.dump().content == DATA
    assert archive.file() == b"version: 1\n"
    assert json.loads(archive.parts["secrets.json"])["kafka_rota_app"] == kept.text("kafka_rota_app")


def test_a_changed_backup_is_refused(platform, kept, monkeypatch):
    content = packed(platform, monkeypatch)
    for broken in (content.replace(DATA, DATA[::-1]), content[:2000], b"", b"x" * 4096):
        with pytest.raises(ConfigError):
            open_archive(broken)


def test_an_encrypted_stores_backup_is_encrypted(tmp_path, monkeypatch):
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("a long passphrase")
    monkeypatch.setenv("ROTA_PASSPHRASE_FILE", str(passphrase))
    there = local_description(tmp_path)
    there = type(there)(**{**vars(there), "store": tmp_path / "secrets.enc"})
    SecretStore(there.store).complete()
    content = packed(there, monkeypatch)
    assert b"kafka" not in content
    assert open_archive(content).dump().content == DATA
    passphrase.write_text("another passphrase")
    with pytest.raises(ConfigError, match="passphrase"):
        open_archive(content)


def test_restored_secrets_are_the_old_ones_and_come_once(platform, kept, monkeypatch, tmp_path):
    archive = open_archive(packed(platform, monkeypatch))
    new = local_description(tmp_path / "new")
    lay_down(archive, new)
    assert SecretStore(new.store).text("admin_password") == kept.text("admin_password")
    assert new.store.stat().st_mode & 0o777 == 0o600
    lay_down(archive, new)  # cut short and run again


def test_another_platforms_secrets_are_never_overwritten(platform, kept, monkeypatch, tmp_path):
    archive = open_archive(packed(platform, monkeypatch))
    new = local_description(tmp_path / "new")
    other = SecretStore(new.store)
    other.complete()
    with pytest.raises(ConfigError, match="another platform"):
        lay_down(archive, new)
    assert SecretStore(new.store).text("api_token") == other.text("api_token")
    with pytest.raises(ConfigError, match="the file names rota"):
        lay_down(Archive("acme", "", archive.parts), new)


def test_certificates_that_end_soon_are_dropped_and_made_anew(platform, kept):
    listed = certificates(platform.store, NOW)
    assert {one.name for one in listed} == {"ca_cert", "tls_kafka_cert", "tls_mysql_cert"}
    assert listed[0].days_left == 825
    assert drop_ending(platform.store, NOW, timedelta(days=60)) == []
    old = kept.certificates()
    assert drop_ending(platform.store, NOW + timedelta(days=800), timedelta(days=60)) == [
        "tls_kafka_cert", "tls_mysql_cert"]
    again = SecretStore(platform.store)
    again.certify("rota", {"kafka": ["10.0.0.1"], "mysql": ["10.0.0.1"]}, NOW)
    new = again.certificates()
    assert new["ca_cert"] == old["ca_cert"], "clients go on trusting"
    assert new["tls_kafka_cert"] != old["tls_kafka_cert"]


def test_all_certificates_may_be_asked_for(platform, kept):
    assert drop_ending(platform.store, NOW, None) == ["tls_kafka_cert", "tls_mysql_cert"]


def test_the_audit_tells_how_a_command_ended(tmp_path):
    store, clock = tmp_path / "secrets.json", ManualClock(NOW)
    with audited(store, "up", clock) as note:
        note.changes = 7
        clock.advance(timedelta(seconds=2.5))
    with pytest.raises(MachineError), audited(store, "upgrade", clock):
        raise MachineError(Failure("m1", "starting scheduler", "not ready"))
    with pytest.raises(KeyboardInterrupt), audited(store, "down", clock):
        raise KeyboardInterrupt
    told = [(row["command"], row["outcome"], row["changes"]) for row in read_here(store)]
    assert told == [("up", "done", 7), ("upgrade", "failed: m1: starting scheduler: not ready", 0),
                    ("down", "interrupted", 0)]
    assert read_here(store)[0]["seconds"] == 2.5
    assert path_of(store).stat().st_mode & 0o777 == 0o600


def test_a_line_cut_short_is_passed_over():
    assert parse_lines(['{"at": "1"}', '{"at": "2', "[]", ""]) == [{"at": "1"}]
