"""The dashboard and the alerts ask for what the server tells, and for nothing else."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.process_collector import ProcessCollector

from headway.telemetry import Metrics

DOCS = Path(__file__).parents[2] / "docs"
DASHBOARD: dict[str, Any] = json.loads((DOCS / "grafana-dashboard.json").read_text())
ALERTS = [rule for group in yaml.safe_load((DOCS / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
OPERATING = (DOCS / "operating.md").read_text()
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
SHOWN = [(panel["title"], target["expr"], target["legendFormat"]) for panel in PANELS for target in panel["targets"]]

FROM_PROMETHEUS = {"job", "instance"}
WORDS = {"sum", "avg", "max", "by", "or", "vector", "rate", "increase", "avg_over_time", "histogram_quantile"}
DURATION = re.compile(r"\[(?:\d+[smhd]|\$__rate_interval)\]")


def own_metrics() -> dict[str, set[str]]:
    """Give the names of everything the server tells, each with its labels."""
    made: dict[str, set[str]] = {}
    for metric in set(Metrics().registry._collector_to_names):
        if isinstance(metric, MetricWrapperBase):
            name, labels = metric._name, set(metric._labelnames)
            if isinstance(metric, Histogram):
                made |= {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
            else:
                made[f"{name}_total" if isinstance(metric, Counter) else name] = labels
    for family in ProcessCollector(registry=None).collect():
        made |= {each.name: set() for each in family.samples}
    return made


TOLD = own_metrics()
KNOWN = {**TOLD, "up": set[str]()}


def asked(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Give every metric of an expression with the labels that it is chosen or added up by."""
    grouped = {name.strip() for names in re.findall(r"\bby \(([^)]*)\)", expression) for name in names.split(",")}
    rest = DURATION.sub("", re.sub(r"\bby \([^)]*\)", "", expression))
    for name, chosen in re.findall(r"([A-Za-z_]\w*)\s*({[^}]*})?", re.sub(r'(?<=[~=])"[^"]*"', '""', rest)):
        if name not in WORDS:
            yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", chosen)) | grouped


@pytest.mark.parametrize("expression", sorted({expression for _, expression, _ in SHOWN} | {rule["expr"] for rule in ALERTS}))
def test_what_is_asked_for_is_told(expression: str) -> None:
    found = list(asked(expression))

    assert found
    for name, labels in found:
        assert name in KNOWN
        assert labels <= KNOWN[name] | FROM_PROMETHEUS, name


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ('sum by (a, le) (rate(x_bucket{b=~"y|z",c!="d"}[5m])) > 0.5', [("x_bucket", {"a", "le", "b", "c"})]),
        ('(sum(x{a="up"}) or vector(0)) / sum(y)', [("x", {"a"}), ("y", set())]),
    ],
)
def test_expressions_are_read_as_they_are_meant(expression: str, found: list[tuple[str, set[str]]]) -> None:
    assert list(asked(expression)) == found


@pytest.mark.parametrize(("title", "expression", "legend"), SHOWN)
def test_a_legend_names_labels_that_are_left(title: str, expression: str, legend: str) -> None:
    grouped = {name.strip() for names in re.findall(r"\bby \(([^)]*)\)", expression) for name in names.split(",")}

    assert set(re.findall(r"{{(\w+)}}", legend)) <= grouped, title


def test_every_metric_of_the_server_is_shown_and_described() -> None:
    shown = {name for _, expression, _ in SHOWN for name, _ in asked(expression)}
    ours = {name for name in TOLD if name.startswith(("api_", "headway_"))}

    assert {name for name in ours if name.removesuffix("_sum").removesuffix("_bucket").removesuffix("_count") == name} <= shown
    for name in ours:
        assert re.sub(r"_(bucket|sum|count)$", "", name) in OPERATING, name


def test_the_dashboard_can_be_imported() -> None:
    variables = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
    ids = [panel["id"] for panel in DASHBOARD["panels"]]

    assert variables["datasource"]["type"] == "datasource"
    assert len(ids) == len(set(ids))
    for panel in PANELS:
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}, panel["title"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    places = [tuple(panel["gridPos"].values())[:2] for panel in DASHBOARD["panels"]]
    assert len(places) == len(set(places))


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_names_what_is_missed_how_bad_that_is_and_what_it_means(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["target"]
    assert rule["annotations"]["description"].endswith(".")
    assert re.fullmatch(r"\d+m", rule["for"])
    assert rule["alert"] in OPERATING


def test_there_is_an_alert_for_every_target() -> None:
    assert {rule["annotations"]["target"] for rule in ALERTS} >= {
        "mean response time < 200 ms",
        "95th percentile of the response time < 500 ms",
        "errors < 1 %",
        "availability of 99.9 %",
    }
