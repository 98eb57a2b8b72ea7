"""A folder of templates for two platforms, with a Secret beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.desired.test_templates_documents import ACCOUNT, BETWEEN, SECRET
from tests.desired.test_templates_flow import Platform, template
from tests.kits.worlds import World

INFERENCE = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: NAME, annotations: {serving.kserve.io/deploymentMode: Standard}}
spec:
  predictor:
    serviceAccountName: models
    model:
      modelFormat: {name: mlflow}
      protocolVersion: v2
      storageUri: {{ mlflow.s3["MODEL"] }}
"""


def inference(name: str, model: str) -> str:
    return INFERENCE.replace("NAME", name).replace("MODEL", model)


@pytest.fixture
def platform(on_folder: World, tmp_path: Path) -> Platform:
    return Platform(on_folder, tmp_path / "templates")


def test_both_kinds_are_served_and_what_lies_beside_them_is_left_alone(
    platform: Platform, tmp_path: Path
) -> None:
    platform.add("iris", "tea", "iris demo2")
    platform.write(
        one=template("first", "iris"),
        two=BETWEEN.join(
            [SECRET, ACCOUNT, inference("second", "iris demo2"), template("x", "tea")]
        ),
        secret=SECRET,
    )
    rows = platform.plan()
    found = {name: (row["action"], row["platform"]) for name, row in rows.items()}
    assert found == {
        "first": ("create", "seldon"), "second": ("create", "kserve"), "x": ("create", "seldon"),
    }  # fmt: skip
    platform.apply()
    assert platform.settled()
    files = (tmp_path / "cluster").rglob("*.yaml")
    written = [body for file in files for body in yaml.safe_load_all(file.read_text())]
    kinds = sorted(body["kind"] for body in written)
    assert kinds == ["ConfigMap", "InferenceService", "SeldonDeployment", "SeldonDeployment"]
    [served] = [body for body in written if body["kind"] == "InferenceService"]
    assert served["spec"]["predictor"]["model"]["storageUri"].startswith("s3://")

    # A template that is gone takes its own deployment with it, of whichever platform.
    platform.write(two=SECRET + BETWEEN + template("x", "tea"))
    left = platform.actions()
    assert (left["second"], left["first"]) == ("delete", "unchanged")
    platform.apply("--prune")
    kinds = [yaml.safe_load(file.read_text())["kind"] for file in files_of(tmp_path)]
    assert set(kinds) == {"SeldonDeployment"}
    assert platform.settled()


def files_of(folder: Path) -> list[Path]:
    return list((folder / "cluster").rglob("*.yaml"))
