"""A model that only MLflow hands out, on Seldon Core: the image of --fetch-image brings it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from m2s.engine.execute import execute
from m2s.engine.reconcile import make_plan
from m2s.plan.changes import Blocked, Unchanged
from m2s.settings.build import build
from m2s.targets.folder.namespace import FolderCluster
from tests.kits.fakes import FakeRegistry
from tests.kits.support import description

PROXIED = "mlflow-artifacts:/1/models/m-1/artifacts"
DOOR = "http://mlflow:5000/api/2.0/mlflow-artifacts/artifacts/1/models/m-1/artifacts"


def graph(deploy: str | None, source: str, folder: Path, **flags: Any) -> dict[str, Any]:
    registry, cluster = FakeRegistry(), FolderCluster(folder, "shop")
    registry.add("iris", deploy, source=source)
    chosen = build({"stage": ["Staging"], "deploy-file": "optional", **flags}, {})
    execute(make_plan(registry, cluster, chosen), cluster, delete=True)
    (same,) = make_plan(registry, cluster, chosen).changes
    assert isinstance(same, Unchanged)
    (file,) = (folder / "shop").glob("*.yaml")
    body = yaml.safe_load(file.read_text())
    found: dict[str, Any] = body["spec"]["predictors"][0]
    return found


@pytest.mark.parametrize("deploy", [description(), None])
@pytest.mark.parametrize("source", [PROXIED, DOOR])
def test_the_image_is_the_graph_nodes_initializer(
    deploy: str | None, source: str, tmp_path: Path
) -> None:
    node = graph(deploy, source, tmp_path, **{"fetch-image": "m2s-fetch:1"})["graph"]
    assert node["modelUri"] == source
    assert node["storageInitializerImage"] == "m2s-fetch:1"


def test_an_own_image_has_it_as_its_init_container(tmp_path: Path) -> None:
    flags = {"fetch-image": "m2s-fetch:1", "default-image": "server:1"}
    (spec,) = graph(None, PROXIED, tmp_path, **flags)["componentSpecs"]
    (initializer,) = spec["spec"]["initContainers"]
    assert initializer["image"] == "m2s-fetch:1"
    assert [*initializer["command"], *initializer["args"]] == [
        "m2s", "fetch", PROXIED, "/mnt/models",
    ]  # fmt: skip


def test_what_rclone_reads_and_what_is_mapped_is_left_to_it(tmp_path: Path) -> None:
    flags: dict[str, Any] = {"fetch-image": "m2s-fetch:1"}
    assert (
        "storageInitializerImage" not in graph(None, "s3://b/1", tmp_path / "1", **flags)["graph"]
    )
    flags["model-uri-map"] = ["mlflow-artifacts:/=s3://b/"]
    node = graph(None, PROXIED, tmp_path / "2", **flags)["graph"]
    assert node["modelUri"] == "s3://b/1/models/m-1/artifacts"
    assert "storageInitializerImage" not in node


@pytest.mark.parametrize("source", ["file:///models/1", "dbfs:/models/1", "/models/1"])
def test_what_nobody_can_bring_is_blocked_still(source: str) -> None:
    registry = FakeRegistry()
    registry.add("iris", source=source)
    chosen = build({"stage": ["Staging"], "fetch-image": "m2s:1"}, {})
    (blocked,) = make_plan(registry, FolderCluster("/nonexistent", "shop"), chosen).changes
    assert isinstance(blocked, Blocked)
    assert "no model server can read" in blocked.reason


def test_mlflows_server_is_not_seldons() -> None:
    registry = FakeRegistry()
    registry.add("iris", None)
    chosen = build({"stage": ["Staging"], "server": "mlflow"}, {})
    (blocked,) = make_plan(registry, FolderCluster("/nonexistent", "shop"), chosen).changes
    assert isinstance(blocked, Blocked)
    assert "--server mlflow: Seldon Core does not have it" in blocked.reason
