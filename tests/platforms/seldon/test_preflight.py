"""What a deployment refers to, judged: by tables, without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from m2s.domain.manifests import Manifest
from m2s.domain.versions import Key, MlModel, ModelVersion, Selector
from m2s.platforms.findings import Facts
from m2s.platforms.seldon.preflight import checked, misfit, needs
from m2s.platforms.seldon.units import units
from m2s.sources.mlflow import mlmodel
from m2s.sources.mlflow.artifacts import Store
from tests.kits.support import seldon


def manifest(*predictors: Any, **spec: Any) -> Manifest:
    metadata: dict[str, Any] = {"name": "iris", "annotations": {}}
    body = {"metadata": metadata, "spec": {"predictors": list(predictors), **spec}}
    version = ModelVersion("iris", 1)
    return Manifest(
        Key("shop", "iris"), "stage-staging", Selector("stage", "Staging"), (version,), body
    )


def node(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "implementation": "MLFLOW_SERVER", "modelUri": f"s3://m/{name}", **more}


DEEP = {
    "name": "default",
    "graph": node("a", envSecretRefName="one", children=[node("b", serviceAccountName="who")]),
    "explainer": {"type": "AnchorTabular", "modelUri": "gs://m/x", "envSecretRefName": "two"},
    "componentSpecs": [{"spec": {"serviceAccountName": "pods", "containers": []}}],
}


def test_everything_that_is_referred_to_is_asked_for() -> None:
    wanted = needs(manifest(DEEP).body)
    assert wanted.secrets == {"one", "two"}
    assert wanted.accounts == {"who", "pods"}
    assert wanted.uris == {"s3://m/a", "s3://m/b"}


def test_each_finding_is_told_once_with_who_is_concerned() -> None:
    twice = {**DEEP, "name": "canary"}
    facts = Facts(
        secrets={"one": None, "two": frozenset({"RCLONE_CONFIG_S3_TYPE"})},
        accounts={"who": False, "pods": True},
        models={"s3://m/a": None, "s3://m/b": MlModel(("sklearn",))},
    )
    warnings = checked(manifest(DEEP, {**twice, "explainer": None}), facts).warnings
    assert warnings == (
        "Secret one, the envSecretRefName of graph node a, does not exist in namespace shop: "
        "create it, or correct envSecretRefName",
        "s3://m/a has no MLmodel file, which MLFLOW_SERVER loads: log a whole MLflow model",
        "the model at s3://m/b has no python_function flavour, which MLFLOW_SERVER loads (it has "
        "sklearn): log it with one that has, such as mlflow.pyfunc",
        "Secret two, the envSecretRefName of the explainer of predictor default, has no "
        "RCLONE_CONFIG_GS_TYPE for gs://m/x; it configures s3: add gs, or let --model-uri-map "
        "name another remote",
        "ServiceAccount who, which graph node b runs as, does not exist in namespace shop: create "
        "it, or correct serviceAccountName",
    )


def test_what_is_not_known_is_no_warning() -> None:
    assert checked(manifest(DEEP), Facts()).warnings == ()


@pytest.mark.parametrize(
    "predictor",
    [
        {},
        {"graph": []},
        {"graph": {"children": {"name": "x"}, "modelUri": 5, "envSecretRefName": ["x"]}},
        {"graph": {"children": [None, "x", {}]}, "explainer": "x", "componentSpecs": {"spec": 1}},
        {"componentSpecs": [None, {"spec": []}, {"spec": {"containers": ["x", {"name": 1}]}}]},
        "predictor",
    ],
)
def test_what_the_api_server_will_refuse_does_not_trouble_preflight(predictor: Any) -> None:
    item = manifest(predictor)
    assert needs(item.body).secrets == frozenset()
    assert checked(item, Facts()) == item


def test_a_bring_your_own_initializer_is_not_asked_for_rclones_variables() -> None:
    facts = Facts(secrets={"one": frozenset({"AWS_ACCESS_KEY_ID"})})
    custom = node("a", envSecretRefName="one", storageInitializerImage="kfserving:0.6")
    assert checked(manifest({"name": "default", "graph": custom}), facts).warnings == ()
    pod = {"spec": {"initContainers": [{"name": "a-model-initializer"}]}}
    own = {"name": "default", "graph": node("a", envSecretRefName="one"), "componentSpecs": [pod]}
    assert checked(manifest(own), facts).warnings == ()
    del own["componentSpecs"]
    assert len(checked(manifest(own), facts).warnings) == 1


def test_azures_remote_is_settled_in_every_node_and_only_where_it_is_known() -> None:
    graph = node("a", envSecretRefName="one", modelUri="azureblob://c/a")
    child = node("b", envSecretRefName="two", modelUri="azureblob://c/b")
    item = manifest({"name": "default", "graph": {**graph, "children": [child]}})
    known = Facts(secrets={"one": frozenset({"RCLONE_CONFIG_WASBS_TYPE"}), "two": None})
    settled = checked(item, known)
    assert [unit.uri for unit in units(settled.body)] == ["wasbs://c/a", "azureblob://c/b"]
    assert settled.body["metadata"]["annotations"]["m2s.io/checksum"].startswith("sha256:")
    assert checked(item, Facts()).body == item.body


@pytest.mark.parametrize(
    ("mlflow", "python", "protocol", "fits"),
    [
        ("2.9.2", "3.8.10", "", True),
        ("2.22.0", "3.11.7", "seldon", True),  # Seldon Core 1.18's
        ("3.1.4", "3.12.1", "", True),  # 1.19's
        ("3.1.4", "3.11.7", "", False),  # too new for 1.18, and 1.19 wants Python 3.12
        ("3.17.2", "3.12.1", "", False),
        ("1.30.0", "3.5.9", "", False),
        ("3.17.2", "3.12.1", "v2", True),
        ("3.17.2", "3.13.0", "v2", False),
        ("", "", "", True),
        ("latest", "", "", True),
        ("3.17.2", "", "", False),
        ("3.17.2", "", "v2", True),
    ],
)
def test_which_models_a_server_image_is_sure_to_load(
    mlflow: str, python: str, protocol: str, fits: bool
) -> None:
    told = misfit(MlModel(("python_function",), mlflow, python), protocol)
    assert (told is None) is fits
    if not fits and mlflow:
        assert f"MLflow {mlflow}" in str(told)


_PICKLED = "python_function: {python_model: python_model.pkl, "


@pytest.mark.parametrize(
    ("flavors", "beside", "python", "told"),
    [
        ("sklearn: {serialization_format: skops}", "", "3.10.4", "saved as skops, MLflow's"),
        ("sklearn: {serialization_format: cloudpickle}", "", "3.12.1", ""),
        ("pytorch: {serialization_format: pt2}", "", "3.10.4", "saved as pt2"),
        ("sklearn: {serialization_format: skops}", "environment.tar.gz", "3.12.1", ""),
        ("sklearn: {serialization_format: [skops]}", "", "3.10.4", ""),
        (_PICKLED, "", "3.12.1", "its class was pickled by Python 3.12"),
        (_PICKLED, "", "3.10.13", ""),
        ("python_function: {model_code_path: model.py, ", "", "3.12.1", ""),
    ],
)
def test_what_mlservers_images_cannot_load_is_told(
    flavors: str, beside: str, python: str, told: str, tmp_path: Path
) -> None:
    """Protocol v2 is served by MLServer: Python 3.10, MLflow 2.20 at the most."""
    pyfunc = flavors if "python_function" in flavors else f"{flavors}, python_function: {{"
    text = f"mlflow_version: 2.20.1\nflavors: {{{pyfunc}python_version: {python}}}}}\n"
    (tmp_path / "MLmodel").write_text(text)
    if beside:
        (tmp_path / beside).write_bytes(b"")
    found = mlmodel.read(Store("sqlite://"), str(tmp_path))
    assert isinstance(found, MlModel)
    for protocol in ("v2", "kfserving"):
        why = misfit(found, protocol) or ""
        assert why.startswith(told)
        assert ("MLServer" in why) is bool(told)
    assert misfit(found, "seldon") is None


def test_an_image_of_ones_own_is_not_judged() -> None:
    facts = Facts(models={"s3://m/classifier": MlModel(("python_function",), "9.0.0", "3.20")})
    predictor = seldon()["spec"]["predictors"][0]
    predictor["graph"]["modelUri"] = "s3://m/classifier"
    assert checked(manifest(predictor), facts).warnings == ()
    predictor["componentSpecs"][0]["spec"]["containers"][0].pop("image")
    (warning,) = checked(manifest(predictor), facts).warnings
    assert warning.startswith("logged with MLflow 9.0.0 and Python 3.20, which no MLFLOW_SERVER")
    assert warning.endswith("name an image that can in componentSpecs, for graph node classifier")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"flavors: {}\n", MlModel()),
        (
            b"flavors:\n  sklearn: {}\n  python_function: {python_version: 3.11.7}\n"
            b"mlflow_version: 3.1.4\n",
            MlModel(("python_function", "sklearn"), "3.1.4", "3.11.7"),
        ),
        (b"mlflow_version: 3.10\nflavors: {}\n", MlModel((), "3.1")),
        (b"", MlModel(problem="it is no mapping with flavors")),
        (b"- a\n", MlModel(problem="it is no mapping with flavors")),
        (b"flavors: [x]\n", MlModel(problem="it is no mapping with flavors")),
        (b"a: 1\n\tb: 2\n", MlModel(problem="line 2: a tab where YAML wants spaces")),
        (b"a: \xff\n", MlModel(problem="line 1: not UTF-8 text")),
    ],
)
def test_what_an_mlmodel_file_says(content: bytes, found: MlModel) -> None:
    assert mlmodel.parse(content) == found
