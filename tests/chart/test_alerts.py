"""The chart's alerts and its dashboard: what they ask for is what ``/metrics`` has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from m2s.observers.metrics import STATES, Metrics
from tests.kits.chart_kit import CHART, Helm
from tests.kits.promql import Selector, fires, selectors
from tests.kits.support import description
from tests.observers.test_page import Watched

OWN = {"namespace": "default", "job": "m2s"}
"""What Prometheus adds to each series of the release that the tests render."""
ON = ("metrics.prometheusRule.enabled=true", "metrics.dashboard.enabled=true")


class Counted:
    """Passes in memory, and the samples that Prometheus reads of them."""

    def __init__(self, path: Path) -> None:
        self.watched = Watched(path)
        self.metrics = Metrics(lambda: True, dict, self.watched.sight.deployments)

    def make(self) -> None:
        """Make a pass."""
        self.metrics(self.watched.make())

    def samples(self) -> list[tuple[str, dict[str, str], float]]:
        """Return name, labels and value of each series."""
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/metrics", "QUERY_STRING": ""}
        text = b"".join(self.metrics.application(environ, lambda *_: lambda _: None)).decode()
        families = text_string_to_metric_families(text)
        return [
            (one.name, {**OWN, "instance": "10.0.0.1:8080", **one.labels}, one.value)
            for family in families
            for one in family.samples
        ]

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of the first series with these labels."""
        found = Selector(name, tuple((key, "=", text) for key, text in labels.items()))
        return next((value for one, had, value in self.samples() if found.selects(one, had)), None)

    def states(self) -> set[tuple[str, str, str]]:
        """Return deployment, model and state, of each state that a deployment is in."""
        return {
            (labels["deployment"], labels["model"], labels["state"])
            for name, labels, value in self.samples()
            if name == "m2s_deployment_state" and value == 1
        }


@pytest.fixture
def counted(tmp_path: Path) -> Counted:
    """Iris serves v1 and its v2 is broken; tea was promoted without a description."""
    made = Counted(tmp_path)
    registry = made.watched.registry
    registry.add("iris", description("iris"))
    made.make()
    registry.add("iris", "kind: Pod", stage=None)
    registry.move("iris", 2, "Staging")
    registry.add("tea", None)
    made.make()
    return made


def test_a_blocked_model_is_not_a_failed_pass(counted: Counted) -> None:
    assert counted.value("m2s_reconcile_total", result="success") == 2
    assert counted.value("m2s_reconcile_total", result="failed") == 0
    succeeded = counted.value("m2s_last_success_timestamp_seconds")
    assert succeeded == counted.watched.now.timestamp() - 1
    assert counted.value("m2s_blocked_deployments") == 1
    assert counted.value("m2s_failed_deployments") == 0
    assert counted.value("m2s_skipped_versions") == 1


def test_each_deployment_has_its_states_and_no_other_label(counted: Counted) -> None:
    assert counted.states() == {
        ("iris", "iris", "unknown"), ("iris", "iris", "blocked"), ("tea-staging", "tea", "skipped"),
    }  # fmt: skip
    assert {state for _, _, state in counted.states()} <= set(STATES)
    counted.watched.registry.move("iris", 1, "Staging")
    counted.watched.registry.move("tea", 1, "Archived")
    counted.make()
    assert counted.states() == {("iris", "iris", "unknown")}
    assert counted.value("m2s_skipped_versions") == 0


def test_an_unreadable_registry_is_no_success(counted: Counted) -> None:
    before = counted.value("m2s_last_success_timestamp_seconds")
    counted.watched.registry.down = "MLflow is gone"
    counted.make()
    assert counted.value("m2s_reconcile_total", result="error") == 1
    assert counted.value("m2s_last_success_timestamp_seconds") == before
    assert counted.value("m2s_blocked_deployments") == 1


def alerts(helm: Helm) -> dict[str, str]:
    """The expression of each alert."""
    rule = helm.template(None, *ON).one("PrometheusRule")
    return {one["alert"]: one["expr"] for one in rule["spec"]["groups"][0]["rules"]}


def known(selector: Selector, samples: list[tuple[str, dict[str, str], float]]) -> bool:
    """Whether there is such a metric, and it has the labels that are asked for."""
    name = selector.metric.removesuffix("_bucket")
    labels = [had for one, had, _ in samples if one.removesuffix("_bucket") == name]
    return bool(labels) and all(label in labels[0] for label, _, _ in selector.matchers)


def test_the_alerts_ask_for_metrics_that_there_are(helm: Helm, counted: Counted) -> None:
    samples = counted.samples()
    for name, expression in alerts(helm).items():
        found = selectors(expression)
        assert found, name
        for selector in found:
            assert known(selector, samples), f"{name}: {selector}"
            asked = {label: value for label, _, value in selector.matchers}
            assert asked.items() >= OWN.items(), "another release would be an alert of this one"


def test_an_alert_fires_while_its_state_lasts(helm: Helm, counted: Counted) -> None:
    rules = alerts(helm)
    watched = ("M2sDeploymentBlocked", "M2sVersionSkipped", "M2sDeploymentFailed")
    lit = [fires(rules[name], counted.samples()) for name in watched]
    assert lit == [True, True, False]
    counted.watched.registry.move("iris", 1, "Staging")
    counted.watched.registry.move("tea", 1, "Archived")
    counted.make()
    assert not any(fires(rules[name], counted.samples()) for name in watched)


def expressions(value: Any) -> Iterator[str]:
    """Every expression of a dashboard."""
    if isinstance(value, dict):
        yield from (each for key, each in value.items() if key == "expr")
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, dict | list):
            yield from expressions(each)


def test_the_dashboard_asks_for_metrics_that_there_are(counted: Counted) -> None:
    dashboard = json.loads((CHART / "files" / "dashboard.json").read_text())
    found = [selector for text in expressions(dashboard) for selector in selectors(text)]
    assert len(found) >= len(dashboard["panels"])
    unknown = [selector for selector in found if not known(selector, counted.samples())]
    assert unknown == []


def test_the_dashboard_is_a_config_map_for_the_sidecar(helm: Helm) -> None:
    maps = helm.template(None, *ON).all("ConfigMap")
    (found,) = [one for one in maps if "m2s.json" in one["data"]]
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(found["data"]["m2s.json"])["uid"] == "m2s"
    kinds = {one["kind"] for one in helm.template().objects}
    assert "PrometheusRule" not in kinds
