"""The names that others build on, written out: topics, keys, labels, variables, metrics."""

import re
from pathlib import Path

import pytest
import yaml

from common.config import Settings
from common.messages import decode
from common.messages.topics import dead_letter_of, fixed_topics, node_topics
from node_manager.client.domain.container import Owner, Policy, plan_container

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests/unit/messages/golden"
TOPICS = {
    "app.instances", "job.commands", "job.events", "nodes", "node.heartbeats", "node.events",
    "node.loads", "service.heartbeats",
}  # fmt: skip


def test_topics_and_their_dead_letters():
    assert {topic.name for topic in fixed_topics()} == TOPICS | {f"{name}.dlq" for name in TOPICS}
    assert {topic.name for topic in node_topics("m1")} == {"node.m1.commands", "node.m1.commands.dlq"}
    assert dead_letter_of("nodes") == "nodes.dlq"


def test_the_envelope_of_every_message():
    for path in GOLDEN.iterdir():
        written = path.read_text(encoding="utf-8")
        assert all(f'"{key}":' in written for key in ("id", "type", "version", "time", "cause")), path


def test_a_producer_may_publish_an_instance_id_and_nothing_else():
    message = decode("app.instances", b'{"instance_id": "hostel-a-heating"}')
    assert message.instance_id == "hostel-a-heating"


def test_labels_and_variables_of_an_apps_container():
    start = decode("node.m1.commands", (GOLDEN / "StartContainer.json").read_bytes())
    plan = plan_container(start, Owner("demo", "m1"), Policy(), keep_until=start.due)
    labels = {"platform", "instance", "job", "attempt", "epoch", "deadline", "spec-hash"}
    assert {f"io.rota.{name}" for name in labels} <= set(plan.labels)
    named = {"JOB_ID", "INSTANCE", "DUE", "STOP_AT", "ATTEMPT", "ORDINAL", "PLACE"}
    assert {f"ROTA_{name}" for name in named} <= set(plan.environment)
    assert any(name.startswith("ROTA_SENSOR_") for name in plan.environment)


def test_the_environment_wins_over_a_file_and_a_file_over_the_default(tmp_path):
    file = tmp_path / "port"
    file.write_text("2\n", encoding="utf-8")
    named = {"ROTA_HTTP_PORT_FILE": str(file)}
    assert Settings({}).integer("HTTP_PORT", 1) == 1
    assert Settings(named).integer("HTTP_PORT", 1) == 2
    assert Settings({**named, "ROTA_HTTP_PORT": "3"}).integer("HTTP_PORT", 1) == 3


def test_metrics_are_ours_in_base_units_and_lateness_is_among_them():
    page = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    names = re.findall(r"^\| `(rota_\w+|\w+)` \| (?:gauge|counter|histogram) ", page, re.MULTILINE)
    assert "rota_start_lateness_seconds" in names
    assert all(name.startswith("rota_") for name in names)
    assert not [name for name in names if name.endswith(("_ms", "_minutes", "_mb", "_percent"))]


@pytest.mark.parametrize("name", ["scheduler", "deployment_manager", "load_balancer", "node_manager",
                                  "application_manager", "client"])  # fmt: skip
def test_a_service_of_compose_waits_for_what_is_healthy(name):
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    assert "healthcheck" in services[name]
    tasks = services[name]["depends_on"]
    assert {way["condition"] for way in tasks.values()} == {"service_completed_successfully"}
    for task in tasks:
        servers = services[task]["depends_on"]
        assert {way["condition"] for way in servers.values()} == {"service_healthy"}
