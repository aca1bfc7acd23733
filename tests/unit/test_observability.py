"""Dashboards and alerts name what there is, say what is valid, and lead to a page that says what to do; labels are bounded."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import promql_parser
import pytest
import yaml

from code_metrics import Metric, metrics
from dashboards import DASHBOARDS
from parley_shared.contracts.base import SERVICES

ROOT = Path(__file__).resolve().parents[2]
OBSERVABILITY = ROOT / "deploy/observability"
RUNBOOKS = ROOT / "docs/operations/runbooks"
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((OBSERVABILITY / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
OURS: dict[str, Metric] = {series: metric for metric in metrics() for series in metric.series}
OTHERS = {
    "up",
    "ALERTS",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_max_fds",
}
"""Of Prometheus, and of prometheus-client for every process."""
TARGET = {"job", "instance", "service"}
"""What Prometheus knows of whom it reads."""
OF_OTHERS = TARGET | {"alertstate", "alertname"}
DURATION = re.compile(r"\d+[smhd]")

BOUNDED = {
    "call": "methods that we know, by routes as the code has them",
    "check": "parts of readiness, of the code",
    "code": "refusals and close codes of the protocol, else `other`",
    "kind": "kinds of images, notifications, entries of the index",
    "operation": "words of the code",
    "outcome": "words of the code, and codes of refusals",
    "part": "words of the code",
    "pool": "words of the code",
    "side": "client, server, network",
    "source": "log, state",
    "stage": "words of the code",
    "status": "of HTTP, as the code answers them",
    "subject": "verbs of the contracts",
    "type": "frames of the protocol, else `wrong`",
    "version": "the release that runs",
    "why": "words of the code",
    "work": "periodic work, of the code",
}
"""What keeps each label from growing. A label that names people, rooms, messages, addresses or sockets has no place here."""


@dataclass(frozen=True)
class Query:
    where: str
    text: str


def queries() -> Iterator[Query]:
    for path in sorted((OBSERVABILITY / "grafana/dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield Query(f"{path.stem}: {panel['title']} {target['refId']}", target["expr"])
    for rule in ALERTS:
        yield Query(rule["alert"], rule["expr"])


QUERIES = list(queries())


def selectors(text: str) -> list[Any]:
    """Of the series that an expression asks for. Raises ValueError for what is no PromQL."""
    nodes: list[Any] = []
    promql_parser.walk(promql_parser.parse(text), nodes.append)
    return [node for node in nodes if isinstance(node, promql_parser.VectorSelector)]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.where)
def test_a_query_is_valid_and_names_series_and_labels_that_there_are(query: Query) -> None:
    asked = selectors(query.text)
    assert asked
    known: set[str] = set()
    for selector in asked:
        assert selector.name in OURS or selector.name in OTHERS, selector.name
        labels = TARGET | {*OURS[selector.name].labels, "le"} if selector.name in OURS else OF_OTHERS
        known |= labels
        assert {matcher.name for matcher in selector.matchers.matchers} <= labels, selector.name
    for kept in re.findall(r"\bby \(([^)]*)\)", query.text):
        assert {label.strip() for label in kept.split(",")} <= known, kept


def test_series_are_found_where_they_are_named() -> None:
    """Else the test above proves nothing."""
    assert [selector.name for selector in selectors("sum(rate(a_total[5m])) / clamp_min(b, 1)")] == ["a_total", "b"]
    with pytest.raises(ValueError):
        selectors("sum(rate(a_total[5m])")


def test_every_metric_of_ours_is_on_a_dashboard() -> None:
    shown = {selector.name for query in QUERIES for selector in selectors(query.text)}
    hidden = {metric.name for metric in metrics() if not metric.series & shown}
    assert hidden == set()


def test_there_is_a_dashboard_for_each_service_and_one_for_all() -> None:
    assert {page.uid for page in DASHBOARDS} == {"parley", *(f"parley-{service}" for service in SERVICES)}
    kustomization = yaml.safe_load((OBSERVABILITY / "kustomization.yaml").read_text())
    (generated,) = kustomization["configMapGenerator"]
    assert {Path(path).stem for path in generated["files"]} == {page.uid for page in DASHBOARDS}


def test_what_is_generated_is_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools/generate_dashboards.py", "--check"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_where_it_says_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"Parley[A-Z][A-Za-z0-9]+", rule["alert"])
    assert DURATION.fullmatch(rule.get("for", "1m"))
    assert rule["labels"] in ({"severity": "critical"}, {"severity": "warning"})
    assert set(rule["annotations"]) == {"summary", "runbook"}
    page = ROOT / rule["annotations"]["runbook"]
    text = page.read_text()
    assert page.parent == RUNBOOKS
    assert f"`{rule['alert']}`" in text
    for heading in ("## What people notice", "## Look", "## Do"):
        assert f"\n{heading}\n" in text, heading
    # What the sentence names, the result has.
    kept = {label.strip() for found in re.findall(r"\bby \(([^)]*)\)", rule["expr"]) for label in found.split(",")}
    named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    summed = re.search(r"\b(sum|max|min|count)\b *(by|\()", rule["expr"]) is not None
    assert not named or named <= (kept if summed else {"instance", "service", "pool"})


def test_alerts_and_their_pages_are_one_to_one() -> None:
    names = [rule["alert"] for rule in ALERTS]
    assert len(set(names)) == len(names)
    pages = {Path(rule["annotations"]["runbook"]).name for rule in ALERTS}
    assert pages == {page.name for page in RUNBOOKS.glob("*.md")} - {"README.md"}
    listed = (RUNBOOKS / "README.md").read_text()
    assert all(f"({page})" in listed for page in pages)
    assert all(f"`{name}`" in listed for name in names)


def test_the_rule_of_the_prometheus_operator_is_valid() -> None:
    schema = json.loads((Path(__file__).parent / "crds/prometheusrule.json").read_text())
    manifest = yaml.safe_load((OBSERVABILITY / "prometheus-rule.yaml").read_text())
    jsonschema.Draft202012Validator(schema).validate(manifest)


def test_prometheus_in_compose_reads_the_alerts() -> None:
    settings = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    (path,) = settings["rule_files"]
    assert f"./deploy/observability/alerts.yml:{path}:ro" in compose["services"]["prometheus"]["volumes"]


def test_no_label_grows_with_people_rooms_or_addresses() -> None:
    used = {label for metric in metrics() for label in metric.labels}
    assert used == set(BOUNDED)
