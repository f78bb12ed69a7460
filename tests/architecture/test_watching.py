"""The dashboard and the alert rules ask for what there is, in a language Prometheus reads."""

import json
import re
from pathlib import Path

import promql_parser
import pytest
import yaml

from scripts import grafana
from scripts.reference.metrics import FIGURES, metrics
from scripts.reference.source import ROOT

RULES = yaml.safe_load((ROOT / "config/prometheus/rota.rules.yml").read_text(encoding="utf-8"))
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
QUESTIONS = [rule["expr"] for rule in ALERTS] + grafana.expressions()
SERIES = {name: metric for metric in metrics() for name in metric.series()}
OTHERS = {"up", "process_resident_memory_bytes"}  # Prometheus' own, and its Python library's
OWN_LABELS = {"job", "instance", "service", "le"}  # what the scrape adds


def parse(question: str) -> object:
    return promql_parser.parse(question.replace("$__rate_interval", "5m"))


def selectors_of(question: str) -> list[tuple[str, dict[str, str]]]:
    """List each metric a question names, with the labels it chooses by equality."""
    parse(question)
    words = re.findall(r"\b((?:rota|process)_\w+|up)\b(?:\{([^}]*)\})?", question)
    return [(name, dict(re.findall(r'(\w+)[!=]~?"([^"]*)"', chosen))) for name, chosen in words]


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_is_of_metrics_and_labels_that_exist(question):
    found = selectors_of(question)
    assert found
    for name, labels in found:
        if name in OTHERS:
            continue
        assert name in SERIES
        assert set(labels) <= {*SERIES[name].labels, *OWN_LABELS}
        if name == "rota_figure":
            assert labels["name"] in {figure for _, figure in FIGURES}


@pytest.mark.parametrize("wrong", ["sum(rota_ledger_imbalance", "rate(rota_x[5 m)", "rota_x >"])
def test_what_prometheus_would_not_read_is_refused(wrong):
    with pytest.raises(ValueError):
        parse(wrong)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_is_wrong_and_what_to_do(rule):
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "action"}
    assert all(isinstance(text, str) for text in rule["annotations"].values())


def test_the_page_lists_the_alerts_with_their_severity():
    page = (ROOT / "docs/how-to/watch.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(Rota\w+)` \| (\w+) \|", page, re.MULTILINE)
    assert listed == [(rule["alert"], rule["labels"]["severity"]) for rule in ALERTS]


def test_the_dashboard_is_that_of_its_script_and_opens_with_lateness():
    assert grafana.TARGET.read_text(encoding="utf-8") == grafana.text(), (
        "run: python -m scripts.grafana"
    )
    first = json.loads(grafana.text())["panels"][0]
    assert all("rota_start_lateness_seconds" in target["expr"] for target in first["targets"])


def test_the_scrape_example_asks_every_service_at_its_own_port():
    from platform_initializer.domain.services import HEALTH_PORTS

    file = Path(ROOT, "config/prometheus/scrape.example.yml")
    (job,) = yaml.safe_load(file.read_text(encoding="utf-8"))["scrape_configs"]
    asked = {each["labels"]["service"]: each["targets"] for each in job["static_configs"]}
    assert asked == {name: [f"127.0.0.1:{port}"] for name, port in HEALTH_PORTS.items()}
