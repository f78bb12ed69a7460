"""Permissions and certificates: least, literal, and good for the right address only."""

from datetime import UTC, datetime, timedelta

import pytest

from common.bus import Access, Deed, Resource
from common.errors import ConfigError
from common.messages.topics import fixed_topics, node_topics
from common.secret import Secret
from platform_initializer.access import access_rules
from platform_initializer.certificates import (
    CERTIFICATE_LIVES,
    RENEW_BEFORE,
    is_good,
    issue,
    make_authority,
)
from platform_initializer.secret_store import SecretStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULES = access_rules(["m1", "m2"])


def may(user, deed, topic):
    return Access(user, deed, Resource.TOPIC, topic) in RULES


def test_nobody_may_use_a_name_that_is_no_topic_of_ours():
    known = {t.name for t in (*fixed_topics(), *node_topics("m1"), *node_topics("m2"))}
    assert {r.name for r in RULES if r.resource is Resource.TOPIC} <= known


def test_a_client_writes_no_command_and_the_balancer_reads_none():
    assert may("rota_client", Deed.READ, "node.m1.commands")
    assert not may("rota_client", Deed.WRITE, "node.m1.commands")
    assert not may("rota_client", Deed.WRITE, "job.commands")
    assert not may("rota_balancer", Deed.READ, "job.commands")


def test_a_client_learns_from_the_registry_whether_it_holds_its_name():
    assert may("rota_client", Deed.READ, "nodes")
    assert not may("rota_client", Deed.WRITE, "nodes")


def test_only_the_scheduler_writes_job_commands_and_only_the_deployer_node_commands():
    writers = {r.user for r in RULES if r.deed is Deed.WRITE and r.name == "job.commands"}
    assert writers == {"rota_scheduler"}
    writers = {r.user for r in RULES if r.deed is Deed.WRITE and r.name == "node.m1.commands"}
    assert writers == {"rota_deployer"}


def test_who_reads_a_topic_may_bury_what_it_cannot_read():
    for rule in RULES:
        is_topic = rule.resource is Resource.TOPIC and not rule.name.endswith(".dlq")
        if is_topic and rule.deed is Deed.READ:
            assert may(rule.user, Deed.WRITE, f"{rule.name}.dlq"), rule


def test_every_service_tells_that_it_lives():
    users = {r.user for r in RULES}
    assert all(may(user, Deed.WRITE, "service.heartbeats") for user in users)
    assert len(users) == 6


def test_a_certificate_is_good_for_its_address_until_it_is_due_for_renewal():
    authority = make_authority("acme", NOW)
    pair = issue(authority, "kafka", ["10.0.0.1"], NOW)
    assert is_good(pair, authority, ["10.0.0.1"], NOW)
    assert not is_good(pair, authority, ["10.0.0.2"], NOW)
    assert not is_good(pair, make_authority("acme", NOW), ["10.0.0.1"], NOW)
    due = NOW + CERTIFICATE_LIVES - RENEW_BEFORE
    assert not is_good(pair, authority, ["10.0.0.1"], due + timedelta(days=1))


def test_certificates_are_kept_and_renewed_only_when_they_must_be(tmp_path):
    store = SecretStore(tmp_path / "secrets.json")
    store.complete()
    store.certify("acme", {"kafka": ["10.0.0.1"]}, NOW)
    first = dict(store.values())
    again = SecretStore(tmp_path / "secrets.json")
    again.certify("acme", {"kafka": ["10.0.0.1"]}, NOW)
    assert again.values() == first
    again.certify("acme", {"kafka": ["10.0.0.9"]}, NOW)
    changed = {name for name, value in again.values().items() if first[name] != value}
    assert changed == {"tls_kafka_cert", "tls_kafka_key"}
    assert (tmp_path / "ca.pem").read_text() == first["ca_cert"]


def test_an_encrypted_store_shows_nothing_and_opens_with_its_passphrase_alone(tmp_path):
    path = tmp_path / "secrets.enc"
    store = SecretStore(path, lambda: Secret("correct horse battery"))
    store.complete()
    content = path.read_text()
    assert not [name for name, value in store.values().items() if value in content or name in content]
    assert path.stat().st_mode & 0o777 == 0o600
    again = SecretStore(path, lambda: Secret("correct horse battery"))
    assert again.values() == store.values()
    with pytest.raises(ConfigError, match="passphrase"):
        SecretStore(path, lambda: Secret("wrong horse battery"))
    path.write_text(content.replace("sealed", "saeled"))
    with pytest.raises(ConfigError, match="damaged"):
        SecretStore(path, lambda: Secret("correct horse battery"))


def test_a_store_that_others_may_read_is_refused(tmp_path):
    path = tmp_path / "secrets.json"
    SecretStore(path).complete()
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        SecretStore(path)


def test_a_look_keeps_nothing(tmp_path):
    store = SecretStore(tmp_path / "secrets.json")
    store.complete(keep=False)
    store.certify("acme", {"kafka": ["10.0.0.1"]}, NOW)
    assert list(tmp_path.iterdir()) == []
