"""Platform defaults and tags in whole plans, on a real API server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kits.support import description, seldon
from tests.kits.worlds import World

DEFAULTS = """\
defaults:
  metadata:
    labels: {team: platform}
  spec:
    predictors:
      - name: "*"
        annotations: {seldon.io/rest-timeout: "5000"}
        graph: {envSecretRefName: s3-credentials}
        componentSpecs:
          - spec:
              serviceAccountName: models
              containers:
                - name: "*"
                  env: [{name: LOG_LEVEL, value: INFO}]
                  resources: {requests: {cpu: 100m, memory: 1Gi}}
"""


@pytest.fixture
def with_defaults(on_cluster: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.chdir(tmp_path)
    Path("m2s.yaml").write_text(DEFAULTS)
    return on_cluster


def applied(world: World) -> Any:
    """Apply, see that nothing is left to do, and return the first predictor."""
    world.apply()
    assert set(world.actions().values()) == {"unchanged"}
    (body,) = world.objects.all().values()
    return {**body["spec"]["predictors"][0], "spec": body["spec"], "metadata": body["metadata"]}


def containers(predictor: Any) -> dict[str, Any]:
    pods = [each["spec"] for each in predictor["componentSpecs"]]
    return {container["name"]: container for pod in pods for container in pod["containers"]}


# ------------------------------------------------------------------------------ defaults


def test_defaults_are_below_a_deploy_yaml(with_defaults: World) -> None:
    body = seldon("iris")
    container = body["spec"]["predictors"][0]["componentSpecs"][0]["spec"]["containers"][0]
    container["resources"] = {"requests": {"cpu": "2"}}
    with_defaults.models.add("iris", yaml.safe_dump(body))
    predictor = applied(with_defaults)
    assert predictor["metadata"]["labels"]["team"] == "platform"
    assert predictor["annotations"] == {"seldon.io/rest-timeout": "5000"}
    assert predictor["graph"]["envSecretRefName"] == "s3-credentials"
    assert predictor["componentSpecs"][0]["spec"]["serviceAccountName"] == "models"
    classifier = containers(predictor)["classifier"]
    assert classifier["resources"] == {"requests": {"cpu": "2", "memory": "1Gi"}}
    assert classifier["env"] == [{"name": "LOG_LEVEL", "value": "INFO"}]
    assert classifier["image"]


def test_defaults_reach_the_containers_that_the_graph_implies(with_defaults: World) -> None:
    """A prepackaged server needs no container in the file: Seldon Core names it after the node."""
    body = seldon("iris")
    (predictor,) = body["spec"]["predictors"]
    predictor["graph"]["children"] = [{"name": "second", "implementation": "SKLEARN_SERVER"}]
    del predictor["componentSpecs"]
    with_defaults.models.add("iris", yaml.safe_dump(body))
    found = containers(applied(with_defaults))
    assert set(found) == {"classifier", "second"}
    assert all(one["resources"]["requests"]["memory"] == "1Gi" for one in found.values())


def test_null_in_a_deploy_yaml_takes_a_default_back(with_defaults: World) -> None:
    body = seldon("iris")
    body["spec"]["predictors"][0]["graph"]["envSecretRefName"] = None
    with_defaults.models.add("iris", yaml.safe_dump(body))
    assert "envSecretRefName" not in applied(with_defaults)["graph"]


def test_changed_defaults_change_every_deployment(with_defaults: World) -> None:
    with_defaults.models.add("iris")
    with_defaults.apply()
    Path("m2s.yaml").write_text(DEFAULTS.replace("1Gi", "2Gi"))
    change = with_defaults.plan()["iris-staging"]
    assert (change["action"], change["reason"]) == ("update", "description changed")
    assert [field["new"] for field in change["fields"] if "memory" in field["path"]] == ["2Gi"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("defaults: 1", 1, "defaults wants a mapping"),
        ("defaults:\n  spce: {}", 2, "defaults.spce is no default; did you mean spec?"),
        ("defaults:\n  spec: []", 2, "defaults.spec wants a mapping"),
        ("defaults:\n  metadata:\n    name: x", 3, "defaults.metadata.name is no default"),
        ("defaults:\n  spec:\n    predictor: []", 3, "did you mean predictors?"),
        (
            "defaults:\n  spec:\n    predictors:\n      - name: main",
            4,
            "defaults.spec.predictors[0]: a default is said of every predictor: name: '*'",
        ),
        ("defaults:\n  spec:\n    predictors: {}", 3, "defaults.spec.predictors wants a list"),
        (
            "defaults:\n  metadata:\n    labels:\n      tier: 1",
            4,
            "defaults.metadata.labels[tier] wants a text: quote it",
        ),
        ("defaults:\n  metadata:\n    labels: []", 3, "defaults.metadata.labels wants a mapping"),
        ("defaults:\n  metadata:", 2, "defaults.metadata wants a mapping"),
    ],
)
def test_what_cannot_be_a_default_is_told_with_its_line(
    on_folder: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    line: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m2s.yaml").write_text(text)
    result = on_folder("plan")
    assert result.code == 64
    assert result.error.startswith(f"m2s.yaml:{line}: ")
    assert words in result.error


def test_a_typo_in_the_defaults_blocks_what_it_is_said_of(with_defaults: World) -> None:
    Path("m2s.yaml").write_text(DEFAULTS.replace("envSecretRefName", "envSecretName"))
    with_defaults.models.add("iris")
    change = with_defaults.plan()["iris-staging"]
    assert change["action"] == "blocked"
    assert "envSecretName" in change["reason"]


# ---------------------------------------------------------------------------------- tags

TAGS = {
    "m2s.io/replicas": "3",
    "m2s.io/requests.cpu": "500m",
    "m2s.io/requests.memory": "1.5Gi",
    "m2s.io/limits.cpu": "2",
    "m2s.io/limits.memory": "2e9",
    "m2s.io/protocol": "v2",
    "m2s.io/traffic": "100",
}


def test_tags_are_above_a_deploy_yaml(on_cluster: World) -> None:
    on_cluster.models.add("iris", description("iris", replicas=1), tags=TAGS)
    predictor = applied(on_cluster)
    assert predictor["replicas"] == 3
    assert predictor["traffic"] == 100
    assert predictor["spec"]["protocol"] == "v2"
    classifier = containers(predictor)["classifier"]
    assert classifier["image"] == "server:1.18.2"
    assert classifier["resources"] == {
        "requests": {"cpu": "500m", "memory": "1.5Gi"},
        "limits": {"cpu": "2", "memory": "2e9"},
    }


def test_tags_are_above_the_defaults_and_m2s_own_server(with_defaults: World) -> None:
    with_defaults.models.add("iris", None, tags={"m2s.io/requests.memory": "8Gi"})
    with_defaults.apply("--deploy-file", "ignored")
    (body,) = with_defaults.objects.all().values()
    found = containers(body["spec"]["predictors"][0])["classifier"]
    assert found["resources"] == {"requests": {"cpu": "100m", "memory": "8Gi"}}
    assert "startupProbe" in found


def test_resources_reach_a_container_that_the_graph_implies(on_cluster: World) -> None:
    """It goes where Seldon Core puts it: beside the containers of the first componentSpec."""
    body = seldon("iris")
    pod = body["spec"]["predictors"][0]["componentSpecs"][0]["spec"]
    pod["containers"] = [{"name": "sidecar", "image": "example/sidecar:1"}]
    on_cluster.models.add("iris", yaml.safe_dump(body), tags={"m2s.io/limits.cpu": "2"})
    predictor = applied(on_cluster)
    assert len(predictor["componentSpecs"]) == 1
    assert containers(predictor)["classifier"] == {
        "name": "classifier",
        "resources": {"limits": {"cpu": "2"}},
    }


def test_replicas_win_over_those_of_a_component_spec(on_folder: World) -> None:
    body = seldon("iris")
    body["spec"]["predictors"][0]["componentSpecs"][0]["replicas"] = 7
    on_folder.models.add("iris", yaml.safe_dump(body), tags={"m2s.io/replicas": "2"})
    predictor = applied(on_folder)
    assert (predictor["replicas"], predictor["componentSpecs"][0]["replicas"]) == (2, 2)


def test_other_tags_are_left_alone(on_folder: World) -> None:
    on_folder.models.add("iris", description("iris"), tags={"replicas": "9", "m2s": "x"})
    assert applied(on_folder)["replicas"] == 1


@pytest.mark.parametrize(
    ("tag", "value", "reason"),
    [
        ("m2s.io/replicas", "many", "tag m2s.io/replicas: wants a number of replicas, not 'many'"),
        ("m2s.io/replicas", "-1", "tag m2s.io/replicas: wants a number of replicas, not '-1'"),
        (
            "m2s.io/requests.cpu",
            "1 core",
            "tag m2s.io/requests.cpu: wants a quantity such as 500m, 2 or 1.5Gi, not '1 core'",
        ),
        (
            "m2s.io/traffic",
            "101",
            "tag m2s.io/traffic: wants a percentage, a whole number from 0 to 100, not '101'",
        ),
        (
            "m2s.io/protocol",
            "http",
            "tag m2s.io/protocol: wants one of seldon, tensorflow, kfserving, v2, not 'http'",
        ),
        (
            "m2s.io/protocol",
            "tensorflow",
            "graph node classifier: MLFLOW_SERVER does not speak the tensorflow protocol; choose "
            "seldon or v2",
        ),
        ("m2s.io/replica", "2", "tag m2s.io/replica: no such tag; did you mean m2s.io/replicas?"),
        ("m2s.io/replicas", "", "tag m2s.io/replicas: wants a number of replicas, not ''"),
    ],
)
def test_a_tag_that_means_nothing_blocks_and_holds(
    on_cluster: World, tag: str, value: str, reason: str
) -> None:
    on_cluster.models.add("iris", description("iris"))
    on_cluster.apply()
    before = on_cluster.objects.snapshot()
    on_cluster.models.add("iris", description("iris"), tags={tag: value})
    change = on_cluster.plan()["iris"]
    assert (change["action"], change["reason"]) == ("blocked", reason)
    assert on_cluster("apply", "--prune").code == 1
    assert on_cluster.objects.snapshot() == before


def test_a_tag_is_refused_where_it_could_mean_two_things(on_folder: World) -> None:
    body = seldon("iris")
    body["spec"]["predictors"] *= 2
    on_folder.models.add("iris", yaml.safe_dump(body), tags={"m2s.io/replicas": "2"})
    assert on_folder.plan()["iris-staging"]["reason"] == (
        "tag m2s.io/replicas: spec.predictors: their names do not tell the items apart"
    )


def test_resources_want_a_node_with_a_container(on_folder: World) -> None:
    body = seldon("iris")
    body["spec"]["predictors"][0]["graph"]["implementation"] = "RANDOM_ABTEST"
    on_folder.models.add("iris", yaml.safe_dump(body), tags={"m2s.io/limits.cpu": "2"})
    assert on_folder.plan()["iris-staging"]["reason"] == (
        "graph node classifier: RANDOM_ABTEST has no container"
    )
