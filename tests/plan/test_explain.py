"""`m2s plan --explain`: every field, and the layer that gave it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.kits.support import description
from tests.kits.worlds import World

DEPLOY = """\
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata:
  name: iris
spec:
  predictors:
    - name: default
      replicas: 1
      graph:
        name: classifier
        implementation: MLFLOW_SERVER
      componentSpecs:
        - spec:
            containers:
              - name: classifier
                image: server:1
                ports:
                  - {name: http, containerPort: 9000}
                env:
                  - {name: DB_PASSWORD, value: hunter2}
"""
CONFIG = """\
stage: Staging
defaults:
  spec:
    predictors:
      - name: "*"
        componentSpecs:
          - spec:
              containers:
                - name: "*"
                  resources: {limits: {memory: 1Gi}}
"""
CONTAINER = "spec.predictors[default].componentSpecs[0].spec.containers[classifier]"


@pytest.fixture
def explained(on_cluster: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.chdir(tmp_path)
    Path("m2s.yaml").write_text(CONFIG)
    on_cluster.models.add("iris", DEPLOY, source="s3://m/1", tags={"m2s.io/replicas": "3"})
    return on_cluster


def fields(world: World, name: str = "iris") -> dict[str, tuple[Any, str, int | None]]:
    result = world("plan", "--explain", name, "-o", "json")
    assert result.code == 0, result
    return {
        field["path"]: (field["value"], field["layer"], field["line"])
        for field in result.document["fields"]
    }


def test_each_field_is_told_with_its_layer_and_its_line(explained: World) -> None:
    (version,) = explained.models.client.search_model_versions("name = 'iris'")
    file = f"deploy.yaml of run {version.run_id}"
    found = fields(explained)
    assert found["spec.predictors[default].name"] == ("default", file, 7)
    assert found["spec.predictors[default].replicas"] == (3, "tag m2s.io/replicas", None)
    where = "where the registry has iris v1"
    assert found["spec.predictors[default].graph.modelUri"] == ("s3://m/1", where, None)
    assert found[f"{CONTAINER}.image"] == ("server:1", file, 16)
    assert found[f"{CONTAINER}.resources.limits.memory"] == ("1Gi", "m2s.yaml", 10)
    assert found[f"{CONTAINER}.ports[http].protocol"] == ("TCP", "the cluster's default", None)
    assert found["metadata.labels[m2s.io/owner]"] == ("stage-staging", "m2s", None)


@pytest.mark.parametrize("state", ["new", "unchanged", "drifted", "refused"])
def test_whatever_is_planned_has_a_layer_for_every_field(explained: World, state: str) -> None:
    if state != "new":
        explained.apply()
    if state == "drifted":
        explained.objects.patch("iris", {"metadata": {"labels": {"m2s.io/model": "x"}}})
    if state == "refused":
        explained.models.add("iris", DEPLOY.replace("implementation", "implementatoin"))
    found = fields(explained)
    assert all(layer for _, layer, _ in found.values())
    assert found[f"{CONTAINER}.image"][0] == "server:1"


def test_a_field_that_the_cluster_refuses_is_found_in_its_file(explained: World) -> None:
    explained.models.add("iris", DEPLOY.replace("implementation", "implementatoin"))
    assert explained.plan()["iris"]["action"] == "blocked"
    assert fields(explained)["spec.predictors[default].graph.implementatoin"][2] == 11


def test_secrets_are_masked(explained: World) -> None:
    for output in ("table", "json", "yaml", "markdown"):
        result = explained("plan", "--explain", "iris", "-o", output)
        assert result.code == 0
        assert "PASSWORD" in result.out
        assert "hunter2" not in result.out


def test_a_table_for_people_is_plain_lines_in_a_pipe(explained: World) -> None:
    printed = explained("plan", "--explain", "iris").out
    assert printed.startswith("iris (create): v1 is in Staging\n")
    assert all(line == line.rstrip() for line in printed.splitlines())
    lines = [line.strip() for line in printed.splitlines()]
    tagged = lines[lines.index("tag m2s.io/replicas") + 1]
    assert tagged == "spec.predictors[default].replicas: 3"
    assert lines[lines.index("m2s.yaml") + 1].startswith(
        ":10  spec.predictors[default].componentSp"
    )


def test_ignored_paths_are_left_to_others(explained: World) -> None:
    body = json.dumps({"spec": {"replicas": 5}})
    explained.models.add("iris", DEPLOY + "  replicas: 2\n")
    explained.apply()
    explained.objects.patch("iris", json.loads(body))
    assert fields(explained)["spec.replicas"] == (5, "left to others by --ignore", None)


def test_an_unknown_name_is_one_line_with_those_near(on_folder: World) -> None:
    on_folder.models.add("iris", description("iris"))
    on_folder.models.add("wine", description("wine"))
    result = on_folder("plan", "--explain", "irsi")
    assert (result.code, result.error) == (
        64,
        "--explain irsi: no such deployment in the plan; did you mean iris?",
    )


def test_a_deployment_without_a_description_says_why(on_folder: World) -> None:
    on_folder.models.add("iris", "kind: Deployment")
    result = on_folder("plan", "--explain", "iris-staging")
    assert result.code == 1
    assert result.error.startswith("iris-staging has no description to explain: deploy.yaml of")
