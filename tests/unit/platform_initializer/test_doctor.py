"""The doctor: each seeded fault is named by its code, a healthy platform has none."""

from dataclasses import replace
from datetime import timedelta

import pytest

from platform_initializer.certificates import CA_LIVES, CERTIFICATE_LIVES
from platform_initializer.doctor import RULES, _reach_finding
from platform_initializer.domain.facts import FileFact, parse_facts
from platform_initializer.domain.findings import Seen, examine
from platform_initializer.errors import Failure
from platform_initializer.renewal import AUTHORITY, findings_of
from tests.unit.platform_initializer.worlds import NOW, converged, world


@pytest.fixture
def healthy(tmp_path):
    there = converged(world(tmp_path))
    expected = {name: ["client"] for name in there.names}
    for placed in there.placed():
        expected[placed.machine].append(placed.service)
    facts = {
        name: replace(
            known, docker_storage="overlay2", docker_at_boot="enabled", clock_synchronised="yes",
            inodes_free=1_000_000, memory_free=2 << 30, load=0.5,
            listening={7110: "python3"}, has_docker_client=True)
        for name, known in there.facts.items()
    }  # fmt: skip
    return Seen(facts, skew_s=dict.fromkeys(facts, 0.1), expected=expected,
                ready={name: {"client": None} for name in facts},
                ports={("m1", "m2", 3306): "open", ("m2", "m1", 9092): "open"})


def codes(seen):
    return sorted({(finding.code, finding.machine) for finding in examine(seen, RULES)})


def with_facts(seen, machine, **changes):
    return replace(seen, facts={**seen.facts, machine: replace(seen.facts[machine], **changes)})


def with_container(seen, machine, service, **changes):
    there = seen.facts[machine].containers
    return with_facts(seen, machine,
                      containers={**there, service: replace(there[service], **changes)})


def test_nothing_is_invented_on_a_healthy_platform(healthy):
    assert codes(healthy) == []


FACTS = [
    ("M101", {"os": "fedora 41"}), ("M102", {"docker": "", "packager": "", "has_docker_client": False}),
    ("M103", {"has_systemd": False}), ("M104", {"cpus": 0}), ("M105", {"memory": 700 << 20}),
    ("M107", {"disk_free": 100 << 20}), ("M108", {"disk_free": 1 << 30}),
    ("M109", {"inodes_free": 5}), ("M111", {"clock_synchronised": "no"}),
    ("M113", {"machine_id": ""}), ("M114", {"load": 40.0}), ("M115", {"memory_free": 1 << 20}),
    ("M116", {"is_read_only": True}), ("D201", {"docker": ""}), ("D202", {"docker": "19.03.1"}),
    ("D203", {"docker_at_boot": "disabled"}), ("D204", {"docker_storage": "vfs"}),
    ("D205", {"foreign_containers": ("rota-kafka",)}), ("D206", {"docker_sockets": ("*:2375",)}),
    ("N304", {"listening": {7110: "python3"}, "listening_everywhere": frozenset({7110})}),
    ("F503", {"has_sampler": False}), ("S409", {"units": {"rota-watchdog.service": "failed enabled"}}),
    ("S409", {"units": {}}), ("S410", {"has_firewall_rules": False}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "changes"), FACTS)
def test_a_fault_of_a_machine_is_named_there_and_nowhere_else(healthy, code, changes):
    assert (code, "m3") in codes(with_facts(healthy, "m3", **changes))
    assert {machine for _, machine in codes(with_facts(healthy, "m3", **changes))} == {"m3"}


def test_faults_that_lie_between_machines(healthy):
    assert codes(replace(healthy, skew_s={"m2": -7.0})) == [("M110", "m2")]
    twins = with_facts(healthy, "m2", machine_id=healthy.facts["m1"].machine_id)
    assert codes(twins) == [("M112", "m1"), ("M112", "m2")]
    filtered = replace(healthy, ports={("m1", "m2", 3306): "filtered"})
    assert codes(filtered) == [("N302", "m1")]
    refused = replace(healthy, ports={("m3", "m1", 9092): "refused"})
    assert codes(refused) == [("N303", "m3")]
    assert codes(with_facts(healthy, "m1", memory=1 << 30)) == [("M106", "m1")]


def test_faults_of_services(healthy):
    assert codes(with_container(healthy, "m3", "scheduler", state="exited")) == [("S402", "m3")]
    assert codes(with_container(healthy, "m3", "scheduler", state="restarting")) == [("S403", "m3")]
    assert codes(with_container(healthy, "m3", "scheduler", restarts=4)) == [("S404", "m3")]
    assert codes(with_container(healthy, "m1", "kafka", health="unhealthy")) == [("S405", "m1")]
    lacking = replace(healthy, ready={"m3": {"scheduler": "mysql: refused"}})
    assert codes(lacking) == [("S406", "m3")]
    there = dict(healthy.facts["m3"].containers)
    extra = with_facts(healthy, "m3", containers={**there, "mysql": there["client"]})
    assert codes(extra) == [("S407", "m3")]
    del there["client"]
    assert codes(with_facts(healthy, "m3", containers=there, listening={}, job_containers=2)) == [
        ("S401", "m3"), ("S408", "m3")]
    no_kafka = {k: v for k, v in healthy.facts["m1"].containers.items() if k != "kafka"}
    taken = with_facts(healthy, "m1", containers=no_kafka, listening={9092: "java"})
    assert codes(taken) == [("N301", "m1"), ("S401", "m1")]


def test_faults_of_files(healthy):
    files = healthy.facts["m3"].files
    secret = "/etc/rota/secrets/client/client_token"
    opened = {**files, secret: FileFact(files[secret].sha256, 0o644, 0)}
    assert codes(with_facts(healthy, "m3", files=opened)) == [("F501", "m3")]
    mapless = {path: fact for path, fact in files.items() if path != "/etc/rota/platform.json"}
    assert codes(with_facts(healthy, "m3", files=mapless)) == [("F502", "m3")]
    key = "/var/lib/rota-sampler/.ssh/authorized_keys"
    loose = {**files, key: FileFact(files[key].sha256, 0o666, 0)}
    assert codes(with_facts(healthy, "m3", files=loose)) == [("F504", "m3")]


@pytest.mark.parametrize(("what", "why", "code"), [
    ("reaching it", "m1: Connection refused", "R001"),
    ("checking its host key", "none is pinned", "R002"),
    ("reaching it", "m1: refuses the key of deploy", "R003"),
    ("gathering facts", "the user may not use sudo without a password", "R004"),
])
def test_a_machine_that_cannot_be_used_is_a_finding(what, why, code):
    assert _reach_finding(Failure("m1", what, why)).code == code


@pytest.mark.parametrize(("days_to_end", "code"), [(31, None), (29, "C602"), (0, "C601"), (-1, "C601")])
def test_a_servers_certificate_is_named_before_and_after_its_end(tmp_path, days_to_end, code):
    kept = world(tmp_path).store.certificates()
    found = findings_of(kept, NOW + CERTIFICATE_LIVES - timedelta(days=days_to_end))
    assert {one.code for one in found} == ({code} if code else set())
    if code:
        assert {one.evidence.split()[0] for one in found} == set(kept) - {AUTHORITY}
        assert {one.fix for one in found} == {"rota platform certs renew"}


def test_the_authoritys_own_end_is_named_with_the_command_that_renews_it(tmp_path):
    kept = world(tmp_path).store.certificates()
    found = findings_of({AUTHORITY: kept[AUTHORITY]}, NOW + CA_LIVES - timedelta(days=10))
    assert [(one.code, one.severity) for one in found] == [("C602", "warning")]
    assert found[0].fix == "rota platform certs renew --authority"


def test_every_rule_has_a_code_of_its_own_and_says_what_to_do():
    assert len({rule.code for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.fix.format(detail="x", machine="m"), rule.code
        assert rule.severity in {"error", "warning"}


def test_the_scripts_lines_are_read():
    facts = parse_facts("clock 5\nos debian 12\nlisten 22 0.0.0.0 sshd\nlisten 9092 10.0.0.1 java\n"
                        "docker_socket *:2375\nforeign rota-kafka\nload 0.5\naddress 10.0.0.1\naddress 2001:db8::1\n"
                        "docker_settings eyJsaXZlLXJlc3RvcmUiOiB0cnVlfQ==\nfirewall yes\n"
                        "unit rota-watchdog.service active enabled\nend yes\n")
    assert facts.addresses == ("10.0.0.1", "2001:db8::1")
    assert facts.docker_settings == '{"live-restore": true}'
    assert facts.has_firewall_rules
    assert facts.units == {"rota-watchdog.service": "active enabled"}
    assert facts.listening == {22: "sshd", 9092: "java"}
    assert facts.listening_everywhere == {22}
    assert facts.docker_sockets == ("*:2375",)
    assert facts.foreign_containers == ("rota-kafka",)
