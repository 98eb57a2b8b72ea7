"""A plan warns of names that do not fit each other and of names that no cluster takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from m2s.plan.changes import Blocked, Create
from tests.desired.test_places import deployment, planned, predictor, server, step
from tests.kits.worlds import World

LONG = "p" * 70


def warnings(tmp_path: Path, *predictors: Any, **flags: Any) -> tuple[str, ...]:
    (change,) = planned(deployment(*predictors), tmp_path, **flags).changes
    assert isinstance(change, Create), change
    return change.manifest.warnings


def with_pod(graph: dict[str, Any], **pod: Any) -> dict[str, Any]:
    return {**predictor(graph), "componentSpecs": [{"spec": pod}]}


@pytest.mark.parametrize(
    ("described", "says"),
    [
        (predictor(server(), name="Main_Predictor"), "predictor 'Main_Predictor'"),
        (predictor(server(), name=LONG), f"predictor '{LONG}'"),
        (predictor(server(), name="-x"), "predictor '-x'"),
        (predictor(server("my_model")), "graph node 'my_model'"),
        (predictor(server(children=[server("my.model")])), "graph node 'my.model'"),
        (predictor(step("My-Step", children=[server()]), "My-Step"), "graph node 'My-Step'"),
        (predictor(server(), "Side_Car"), "container 'Side_Car'"),
        (
            with_pod(server(), initContainers=[{"name": "get_it", "image": "i"}]),
            "container 'get_it'",
        ),
        (with_pod(server(), volumes=[{"name": "my_data", "emptyDir": {}}]), "volume 'my_data'"),
        (
            with_pod(
                server(),
                containers=[
                    {"name": "classifier", "ports": [{"name": "grpc_port", "containerPort": 1}]}
                ],
            ),
            "port 'grpc_port'",
        ),
    ],
)
def test_a_name_that_no_cluster_takes(described: Any, says: str, tmp_path: Path) -> None:
    (warning,) = warnings(tmp_path, described)
    assert warning.startswith(f"{says}: no cluster takes this name")


def test_two_of_one_name(tmp_path: Path) -> None:
    twice = [{"name": "own", "image": "example/own:1"}] * 2
    (warning,) = warnings(tmp_path, with_pod(server(), containers=twice))
    assert "two containers of one pod are named 'own'" in warning


@pytest.mark.parametrize(
    ("described", "says"),
    [
        (
            with_pod(server(), containers=[{"name": "clasifier", "resources": {}}]),
            "container 'clasifier' of predictor default is of no graph node: did you mean "
            "'classifier'?",
        ),
        (predictor(server(), "clasifier"), "did you mean 'classifier'?"),
        (predictor(step("scaler", children=[server()]), "scalers"), "did you mean 'scaler'?"),
        (
            predictor(step("scaler", children=[server()]), "transformer"),
            "container 'transformer' of predictor default is of no graph node, and node 'scaler' "
            "has no container: give both one name",
        ),
        (
            with_pod(server(), containers=[{"name": "proxy"}]),
            "container 'proxy' of predictor default is of no graph node, and has no image: name a "
            "node, or an image",
        ),
    ],
)
def test_a_container_of_no_node(described: Any, says: str, tmp_path: Path) -> None:
    (warning,) = warnings(tmp_path, described)
    assert warning.endswith(says)


@pytest.mark.parametrize(
    "described",
    [
        predictor(server(), "classifier-proxy"),  # a sidecar
        predictor(server(), "logger"),
        predictor(server(), "tfserving"),
        with_pod(server(), containers=[{"name": "seldon-container-engine", "resources": {}}]),
        predictor({"name": "a_b", "implementation": "RANDOM_ABTEST", "children": [server()]}),
        predictor(step(children=[server()]), "step"),
    ],
)
def test_what_a_cluster_takes(described: Any, tmp_path: Path) -> None:
    assert warnings(tmp_path, described) == ()


def test_strict_blocks_it_on_a_folder_too(tmp_path: Path) -> None:
    deploy = deployment(predictor(server("my_model")))
    (change,) = planned(deploy, tmp_path, strict=True).changes
    assert isinstance(change, Blocked)
    assert "graph node 'my_model'" in change.reason
    assert not list(tmp_path.rglob("*.yaml"))


def test_a_plan_for_a_cluster_warns_as_well(on_cluster: World) -> None:
    body = deployment(predictor(server("my_model", modelUri="")), metadata={"name": "under"})
    on_cluster.models.add("iris", body)
    result = on_cluster("plan")
    assert "warning: graph node 'my_model': no cluster takes this name" in " ".join(
        result.out.split()
    )
    assert on_cluster.plan()["under"]["warnings"][0].startswith("graph node 'my_model'")
