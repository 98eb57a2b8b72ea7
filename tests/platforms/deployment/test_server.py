"""Versions without a description on plain Kubernetes: MLflow's own server, or an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from m2s.domain.policy import Policy
from m2s.domain.versions import MlModel, Unchecked
from m2s.engine.execute import execute
from m2s.engine.reconcile import make_plan
from m2s.plan.changes import Blocked, Unchanged
from m2s.platforms.common.pod_security import violations
from m2s.platforms.common.pods import PodSpec
from m2s.settings.build import build
from m2s.targets.folder.namespace import FolderCluster
from tests.kits.fakes import FakeRegistry

MLMODEL = MlModel(("python_function", "sklearn"), "3.1.0", "3.11.7")
PROXIED = "mlflow-artifacts:/1/models/m-1/artifacts"


class Registry(FakeRegistry):
    """A registry whose MLmodel files say what a test wants; it counts who asks."""

    def __init__(self) -> None:
        super().__init__()
        self.said: MlModel | Unchecked | None = MLMODEL
        self.asked: list[str] = []

    def mlmodel(self, folder: str) -> MlModel | Unchecked | None:
        self.asked.append(folder)
        return self.said


@pytest.fixture
def registry() -> Registry:
    return Registry()


def settings(**flags: Any) -> Any:
    return build({"stage": ["Staging"], "platform": "deployment", **flags}, {})


def pod(registry: Registry, folder: Path, **flags: Any) -> dict[str, Any]:
    """Apply, see that nothing is left to do, and return the Pod's spec."""
    cluster, chosen = FolderCluster(folder, "shop"), settings(**flags)
    execute(make_plan(registry, cluster, chosen), cluster, delete=True)
    again = make_plan(registry, cluster, chosen)
    assert all(isinstance(change, Unchanged) for change in again.changes)
    (file,) = (folder / "shop").glob("*.yaml")
    deployment, _ = yaml.safe_load_all(file.read_text())
    found: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return found


def reason(registry: Registry, **flags: Any) -> str:
    """Return why the one row is blocked."""
    planned = make_plan(registry, FolderCluster("/nonexistent", "shop"), settings(**flags))
    (blocked,) = planned.changes
    assert isinstance(blocked, Blocked)
    assert "\n" not in blocked.reason
    return blocked.reason


def test_mlflow_serves_what_nobody_describes(registry: Registry, tmp_path: Path) -> None:
    registry.add("iris", None, source="s3://models/iris")
    found = pod(registry, tmp_path, **{"env-secret": "s3", "service-account": "models"})
    (initializer,), (server,) = found["initContainers"], found["containers"]
    assert server["image"] == "python:3.11-slim"
    assert initializer["env"] == [{"name": "MODEL_URI", "value": "s3://models/iris"}]
    assert initializer["args"] == ["$(MODEL_URI)", "/mnt/models"]
    assert found["serviceAccountName"] == "models"
    for one in (initializer, server):
        assert one["envFrom"] == [{"secretRef": {"name": "s3"}}]
        assert "/mnt/models" in [mount["mountPath"] for mount in one["volumeMounts"]]
    assert not list(violations([PodSpec((), found)], Policy("restricted")))


def test_a_mlmodel_file_is_asked_for_only_where_it_decides(
    registry: Registry, tmp_path: Path
) -> None:
    registry.add("iris", None, source="s3://models/iris")
    pod(registry, tmp_path / "image", **{"default-image": "server:1", "preflight": False})
    assert registry.asked == []
    pod(registry, tmp_path / "server", preflight=False)
    assert registry.asked == ["s3://models/iris"] * 2  # a plan each


def test_a_mlmodel_file_that_cannot_be_read_holds_what_is_there(
    registry: Registry, tmp_path: Path
) -> None:
    registry.add("iris", None, source="s3://models/iris")
    pod(registry, tmp_path)
    registry.said = Unchecked("cannot list s3://models/iris: no answer within 10 s")
    planned = make_plan(registry, FolderCluster(tmp_path, "shop"), settings())
    (blocked,) = planned.changes
    assert isinstance(blocked, Blocked)
    assert "no answer within 10 s" in blocked.reason
    assert blocked.live is not None


def test_the_versions_own_image_wins_and_has_the_model_inside(
    registry: Registry, tmp_path: Path
) -> None:
    registry.add(
        "iris",
        None,
        source="s3://models/iris",
        tags={"m2s.io/image": "iris:3"},
        model_tags={"deployment-image": "models:2"},
    )
    found = pod(registry, tmp_path, **{"default-image": "server:1"})
    assert found["containers"][0]["image"] == "iris:3"
    assert "initContainers" not in found


@pytest.mark.parametrize(
    ("tags", "image"), [({}, "server:1"), ({"deployment-image": "models:2"}, "models:2")]
)
def test_another_image_finds_the_model_in_its_folder(
    registry: Registry, tmp_path: Path, tags: dict[str, str], image: str
) -> None:
    registry.add("iris", None, source="s3://models/iris", model_tags=tags)
    found = pod(registry, tmp_path, **{"default-image": "server:1"})
    (initializer,), (server,) = found["initContainers"], found["containers"]
    assert server["image"] == image
    assert {"name": "MODEL_URI", "value": "s3://models/iris"} in initializer["env"]
    assert server["volumeMounts"][0]["mountPath"] == initializer["args"][1]


def test_what_only_mlflow_hands_out_is_brought_by_m2s_itself(
    registry: Registry, tmp_path: Path
) -> None:
    registry.add("iris", None, source=PROXIED)
    assert "--model-uri-map" in reason(registry)
    assert "--fetch-image" in reason(registry)
    (initializer,) = pod(registry, tmp_path, **{"fetch-image": "m2s:1"})["initContainers"]
    assert initializer["image"] == "m2s:1"
    assert [*initializer["command"], *initializer["args"]] == [
        "m2s", "fetch", "$(MODEL_URI)", "/mnt/models",
    ]  # fmt: skip
    assert initializer["env"] == [{"name": "MODEL_URI", "value": PROXIED}]


def test_what_others_can_read_is_left_to_them(registry: Registry, tmp_path: Path) -> None:
    registry.add("iris", None, source="s3://models/iris")
    (initializer,) = pod(registry, tmp_path, **{"fetch-image": "m2s:1"})["initContainers"]
    assert "rclone" in initializer["image"]


def test_there_is_no_server_of_the_platforms(registry: Registry) -> None:
    registry.add("iris", None, source="s3://models/iris")
    assert "--server platform" in reason(registry, server="platform")


def test_a_server_that_is_named_asks_for_versions_without_a_description() -> None:
    assert build({"stage": ["Staging"], "server": "mlflow"}, {}).describing == "optional"
    assert build({"stage": ["Staging"]}, {}).describing == "required"
