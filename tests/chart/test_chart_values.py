"""The chart's values: which are refused and in what words, and that each is documented."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from m2s import __version__
from m2s.settings import options
from tests.kits.chart_kit import CHART, Helm

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
# What the chart decides itself, or what is no business of a controller in a cluster.
NOT_IN_CONFIG = {
    "stage", "alias", "split", "namespace", "tracking-uri", "model", "model-uri-map",
    "interval", "policy", "prune-after", "max-delete", "ignore", "preflight", "log-format",
    "listen", "leader-elect", "lease-name", "webhook-secret-file", "kubeconfig", "context",
    "target", "prune", "wait", "workspace", "platforms", "environment", "all-environments",
}  # fmt: skip


def leaves(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return every value by its path; an empty mapping is one."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        inner = isinstance(value, dict) and value
        found |= leaves(value, f"{prefix}{name}.") if inner else {f"{prefix}{name}": value}
    return found


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"stage": "Staging"}, "additional properties 'stage' not allowed"),
        ({"mlflow": {"uri": "x"}}, "at '/mlflow': additional properties 'uri' not allowed"),
        ({"image": {"name": "x"}}, "at '/image': additional properties 'name' not allowed"),
        ({"config": {"adpot": True}}, "at '/config': additional properties 'adpot' not allowed"),
        ({"config": {"stage": "x"}}, "at '/config': additional properties 'stage' not allowed"),
        ({"config": {"adopt": "yes"}}, "at '/config/adopt': got string, want boolean"),
        ({"templates": {"iris.txt": "a: b"}}, "at '/templates': additional properties 'iris.txt' "),
        ({"templates": {"iris.yaml": {"a": 1}}}, "at '/templates/iris.yaml': got object, want str"),
        (
            {"templates": {"a.yaml": "a"}, "config": {"templates": "/there"}},
            "templates and config.templates are both set",
        ),
        ({"platforms": ["kserv"]}, "at '/platforms/0': value must be one of 'seldon', 'kserve', "),
        ({"config": {"platforms": []}}, "at '/config': additional properties 'platforms' not all"),
        ({"replicaCount": "two"}, "at '/replicaCount': got string, want integer"),
        ({"interval": 30}, "at '/interval': got number, want string"),
        ({"interval": "soon"}, "at '/interval': 'soon' does not match pattern"),
        ({"pruneAfter": 0}, "at '/pruneAfter': minimum: got 0, want 1"),
        ({"policy": "all"}, "at '/policy': value must be one of 'sync', 'upsert-only'"),
        ({"policy": {"levl": "x"}}, "at '/policy': additional properties 'levl' not allowed"),
        ({"policy": {"level": "x"}}, "at '/policy/level': value must be one of 'baseline', "),
        ({"policy": {"images": "x"}}, "at '/policy/images': got string, want array"),
        ({"mlflow": {"stage": "Prod"}}, "at '/mlflow/stage': value must be one of 'Staging', "),
        ({"mlflow": {"namespace": "A b"}}, "at '/mlflow/namespace': 'A b' does not match pattern"),
        ({"mlflow": {"workspace": "A"}}, "at '/mlflow/workspace': 'A' does not match pattern"),
        ({"tolerations": {}}, "at '/tolerations': got object, want array"),
        ({"podAnnotations": {"a": True}}, "at '/podAnnotations/a': got boolean, want string"),
        ({"envFromSecret": ["a"]}, "at '/envFromSecret': got array, want string"),
        (
            {"metrics": {"serviceMonitor": {"enabled": "on"}}},
            "at '/metrics/serviceMonitor/enabled'",
        ),
        ({"ignore": ["spec.replicas"]}, "at '/ignore/0': 'spec.replicas' does not match pattern"),
        ({"alias": "champion"}, "alias (champion) and mlflow.stage (Production) are set"),
        ({"alias": "a", "mlflow": {"stage": ""}, "split": "a=9"}, "alias (a) and split (a=9) are"),
        ({"split": "champion"}, "at '/split': 'champion' does not match pattern"),
        ({"mlflow": {"stage": ""}}, "mlflow.stage, alias and split are all empty"),
        ({"mlflow": {"MLFLOW_TRACKING_URI": ""}}, "mlflow.MLFLOW_TRACKING_URI is empty: set it"),
        ({"mlflow": {"MLFLOW_TRACKING_URI": "mlflow:5000"}}, "http://HOST:PORT is what m2s wants"),
        (
            {"replicaCount": 2, "leaderElection": {"enabled": False}},
            "replicaCount is 2 without leaderElection.enabled: two would write at once",
        ),
    ],
    ids=lambda item: item[:50] if isinstance(item, str) else "",
)
def test_a_wrong_value_is_one_line_that_names_it(
    helm: Helm, values: dict[str, Any], line: str
) -> None:
    assert line in helm.refusal(values)


@pytest.mark.parametrize("uri", ["http://me:s3cr3t@host", "me:s3cr3t@host", "http://u:s3cr3t/@h"])
@pytest.mark.parametrize("sets", [(), ("networkPolicy.enabled=true",)], ids=["", "policy"])
def test_a_password_in_the_uri_goes_nowhere(helm: Helm, uri: str, sets: tuple[str, ...]) -> None:
    line = helm.refusal({"mlflow": {"MLFLOW_TRACKING_URI": uri}}, *sets)
    assert "name it in envFromSecret" in line
    assert "s3cr3t" not in line


def test_config_takes_every_other_option_of_m2s() -> None:
    here = set(SCHEMA["properties"]["config"]["properties"])
    remedy = "put it into config of values.schema.json, or into NOT_IN_CONFIG here"
    assert here == {*options.OPTIONS, "defaults"} - NOT_IN_CONFIG, remedy


def test_every_value_is_in_the_schema_and_said_what_it_is() -> None:
    def check(values: dict[str, Any], schema: dict[str, Any], where: str) -> None:
        if "properties" not in schema:
            return  # as Kubernetes has it, or any names
        assert schema["additionalProperties"] is False, where
        known = {name for name in schema["properties"] if name not in ("global", "claims")}
        assert set(values) <= known, where
        if where and where != "config":
            assert known == set(values), where
        for name, value in values.items():
            inner = schema["properties"][name]
            assert inner.get("type"), f"{where}.{name}"
            if isinstance(value, dict):
                check(value, inner, name)

    resources: dict[str, Any] = {"requests": {}, "limits": {}}
    check({**VALUES, "resources": resources}, SCHEMA, "")
    assert set(SCHEMA["properties"]) == {*VALUES, "global"}


def test_the_readme_has_every_value_and_its_default() -> None:
    rows = re.findall(
        r"^\| `([\w.]+)` \| `(.*?)` \| (.+) \|$", (CHART / "README.md").read_text(), re.M
    )
    documented = {name: json.loads(default) for name, default, _ in rows}
    blocks = ("resources", "podSecurityContext", "securityContext")
    flat = {
        name: value for name, value in leaves(VALUES).items() if name.split(".")[0] not in blocks
    }
    assert documented == flat | {name: VALUES[name] for name in blocks}
    assert all(meaning.strip() for _, _, meaning in rows)


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == chart["version"] == __version__
