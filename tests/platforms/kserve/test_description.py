"""InferenceServices by their text alone: what is refused, and where a model's URI goes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from m2s.domain.versions import MlModel
from m2s.engine.reconcile import make_plan
from m2s.objects.body import Body
from m2s.plan.changes import Blocked, Create
from m2s.platforms import catalogue
from m2s.platforms.common.locating import servable
from m2s.platforms.platform import Platform
from m2s.platforms.problem import Problem
from m2s.settings.build import build
from m2s.targets.folder.namespace import FolderCluster
from tests.kits.fakes import FakeRegistry
from tests.kits.support import inference_service


@pytest.fixture
def kserve() -> Platform:
    platform = catalogue.of_body({"kind": "InferenceService"})
    assert platform
    return platform


def planned(deploy: str | None, **settings: Any) -> Create | Blocked:
    registry = FakeRegistry()
    source, tags = settings.pop("source", "s3://models/1"), settings.pop("tags", {})
    if found := settings.pop("mlmodel", None):
        registry.mlmodel = lambda folder: found  # type: ignore[method-assign]
    registry.add("iris", deploy, source=source, tags=tags)
    flags = {name.replace("_", "-"): value for name, value in settings.items()}
    chosen = build({"stage": ["Staging"], **flags}, {})
    (change,) = make_plan(registry, FolderCluster("/nonexistent", "shop"), chosen).changes
    assert isinstance(change, Create | Blocked)
    return change


def body_of(deploy: Any, **settings: Any) -> Body:
    change = planned(deploy and yaml.safe_dump(deploy), **settings)
    assert isinstance(change, Create), change
    return change.manifest.body


def reason(deploy: Any, **settings: Any) -> str:
    change = planned(deploy and yaml.safe_dump(deploy), **settings)
    assert isinstance(change, Blocked), change
    return change.reason


def described(name: str = "iris", **spec: Any) -> dict[str, Any]:
    body: dict[str, Any] = yaml.safe_load(inference_service(name))
    body["spec"].update(spec)
    return body


MODEL = {"modelFormat": {"name": "mlflow"}, "storageUri": ""}


def canary(name: str | None, percent: Any = 10, **more: Any) -> dict[str, Any]:
    named = {"name": name} if name else {}
    model = {**MODEL, "storageUri": "s3://models/9"}
    return {"trafficPercent": percent, "predictor": {**named, "model": model, **more}}


_OF_TRANSFORMER = {
    "containers": [{"name": "t", "env": [{"name": "STORAGE_URI", "value": "dbfs:/x"}]}]
}


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (
            {"predictor": {"model": MODEL, "sklearn": {"storageUri": "s3://a/b"}}},
            "spec.predictor has model and sklearn: KServe drops all but one; keep one",
        ),
        (
            {"predictor": {"model": MODEL, "containers": [{"name": "kserve-container"}]}},
            "spec.predictor.containers has a kserve-container beside model: KServe serves one of "
            "them; remove the other",
        ),
        (
            {"predictor": {"minReplicas": 2}},
            "spec.predictor has neither a model nor containers: no layer says what serves",
        ),
        (
            {"predictor": {"model": MODEL, "canaryTrafficPercent": 10}},
            "spec.predictor.canaryTrafficPercent: KServe ignores it in Standard mode, all requests "
            "go to the new version; share traffic with --split or spec.canary",
        ),
        (
            {"canary": [canary("a"), canary("a")]},
            "spec.canary[0].predictor.name must be there, and be no other predictor's",
        ),
        ({"canary": [canary(None)]}, "spec.canary[0].predictor.name must be there"),
        (
            {"canary": [canary("a", maxReplicas=3)]},
            "spec.canary[0].predictor.maxReplicas: KServe takes none of a canary; remove it",
        ),
        (
            {"canary": [canary("a", 60), canary("b", 41)]},
            "spec.canary: the shares sum to 101; there are 100 percent",
        ),
        (
            {"explainer": {"art": {"type": "SquareAttack", "storageUri": ""}}},
            "spec.explainer.art.storageUri is blank, and the explainer does not load the version's "
            "model: write where its own lies, or leave the field out",
        ),
        ({"transformer": _OF_TRANSFORMER}, "no model server can read dbfs:/x; map it"),
        ({"predictor": {"model": {"storageUri": 3}}}, "predictor.model.storageUri is a number"),
        ({"predictors": {}}, "spec.predictors is no field; did you mean predictor?"),
    ],
)
def test_what_kserve_takes_in_silence_is_refused(spec: dict[str, Any], told: str) -> None:
    assert told in reason(described(**spec))


@pytest.mark.parametrize(
    ("name", "predictor", "fits"),
    [
        ("1iris", "", False),
        ("i" * 48, "", True),  # 48 + len("-predictor-shop") is 63
        ("i" * 49, "", False),
        ("i" * 46, "b", True),
        ("i" * 47, "b", False),
    ],
)
def test_a_name_makes_a_host_or_is_refused(name: str, predictor: str, fits: bool) -> None:
    body = described(name)
    if predictor:
        body["spec"]["predictor"]["name"] = predictor
    if fits:
        assert body_of(body)["metadata"]["name"] == name
    else:
        assert reason(body).startswith(f"metadata.name {name!r}: ")
        assert reason(body).endswith(("rename it", "shorten the name by 1"))


@pytest.mark.parametrize(
    ("uri", "read"),
    [
        ("s3://b/1/model", "s3://b/1/model/"),
        ("s3a://b/1/model/", "s3://b/1/model/"),
        ("gs://b/1", "gs://b/1"),
        ("wasbs://c@a.blob.core.windows.net/1/x", "https://a.blob.core.windows.net/c/1/x"),
        ("abfss://c@a.dfs.core.chinacloudapi.cn/1", "https://a.blob.core.chinacloudapi.cn/c/1"),
        ("https://a.blob.core.windows.net/c/1", "https://a.blob.core.windows.net/c/1"),
        ("https://b.s3.eu-west-1.amazonaws.com/1/x", "s3://b/1/x/"),
        ("https://storage.googleapis.com/b/1", "gs://b/1"),
        ("r2://b@x.r2.cloudflarestorage.com/1", "s3://b/1/"),
        ("pvc://claim/1", "pvc://claim/1"),
        ("hf://org/model", "hf://org/model"),
        ("oci://registry/model:1", "oci://registry/model:1"),
        ("hdfs://host/1", "hdfs://host/1"),
        ("https://host/1/model.tar.gz", "https://host/1/model.tar.gz"),
        ("https://host/1", "no model server can read https://host/1; map it"),
        ("ftp://host/1", "no model server can read ftp://host/1; map it"),
        ("azureblob://c/1", "no model server can read azureblob://c/1; map it"),
        ("mlflow-artifacts:/1", "no model server can read mlflow-artifacts:/1; map it"),
        ("wasbs://c/1", "wasbs://c/1 does not name both a container and an account"),
        ("s3://", "s3:// names no bucket: correct it"),
    ],
)
def test_a_location_is_put_into_kserves_words(kserve: Platform, uri: str, read: str) -> None:
    try:
        found = servable(uri, (), None, None, kserve.readable)
    except Problem as problem:
        found = str(problem)
    else:
        assert servable(found, (), None, None, kserve.readable) == found == read
    assert found.startswith(read)


def test_what_nothing_reads_may_be_named_by_the_map() -> None:
    body = body_of(described(), source="ftp://host/1", model_uri_map=["ftp://host/=ftp://host/"])
    assert body["spec"]["predictor"]["model"]["storageUri"] == "ftp://host/1"


@pytest.mark.parametrize(
    ("predictor", "where"),
    [
        ({"model": {"modelFormat": {"name": "mlflow"}}}, ("model", "storageUri")),
        ({"model": {"storageUri": "s3://old/1"}}, ("model", "storageUri")),
        ({"model": {"storageUri": None}}, ("model", "storageUri")),
        ({"sklearn": {"protocolVersion": "v2"}}, ("sklearn", "storageUri")),
        (
            {"model": {}, "storageUris": [{"uri": ""}, {"uri": "gs://b/x", "mountPath": "/x"}]},
            ("storageUris", 0, "uri"),
        ),
        (
            {"containers": [{"name": "c", "env": [{"name": "STORAGE_URI", "value": ""}]}]},
            ("containers", 0, "env", 0, "value"),
        ),
    ],
)
def test_the_version_goes_where_the_predictor_has_its_model(
    predictor: dict[str, Any], where: tuple[str | int, ...]
) -> None:
    place: Any = body_of(described(predictor=predictor))["spec"]["predictor"]
    for step in where:
        place = place[step]
    assert place == "s3://models/1/"


def test_of_several_places_one_has_to_be_blank() -> None:
    uris = [{"uri": "s3://a/b"}, {"uri": "s3://a/c", "mountPath": "/c"}]
    told = reason(described(predictor={"model": {}, "storageUris": uris}))
    assert told.startswith("which of spec.predictor.storageUris[0].uri and ")


def test_an_image_without_a_place_has_its_model_inside() -> None:
    body = described(predictor={"containers": [{"name": "kserve-container", "image": "iris:3"}]})
    assert body_of(body)["spec"] == body["spec"]


def test_the_transformer_and_the_canary_have_their_own() -> None:
    env = [{"name": "STORAGE_URI", "value": "wasbs://c@a.blob.core.windows.net/t"}]
    transformer = {"containers": [{"name": "t", "env": env}]}
    spec = body_of(described(transformer=transformer, canary=[canary("b")]))["spec"]
    (container,) = spec["transformer"]["containers"]
    assert container["env"][0]["value"] == "https://a.blob.core.windows.net/c/t"
    assert spec["canary"][0]["predictor"]["model"]["storageUri"] == "s3://models/9/"


def test_a_version_without_a_description_is_in_kserves_own_runtime() -> None:
    body = body_of(None, platform="kserve", service_account="reader")
    assert body["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "Standard"
    model = {"modelFormat": {"name": "mlflow"}, "protocolVersion": "v2"}
    assert body["spec"]["predictor"] == {
        "serviceAccountName": "reader",
        "model": {**model, "storageUri": "s3://models/1/"},
    }
    own = body_of(None, platform="kserve", default_image="servers/iris:1", env_secret="keys")
    assert own["spec"]["predictor"]["containers"] == [
        {
            "name": "kserve-container",
            "image": "servers/iris:1",
            "env": [{"name": "STORAGE_URI", "value": "s3://models/1/"}],
            "envFrom": [{"secretRef": {"name": "keys"}}],
        }
    ]
    for option, value in (("env_secret", "keys"), ("protocol", "seldon")):
        told = reason(None, platform="kserve", **{option: value})
        assert told.startswith(f"--{option.replace('_', '-')}")


def test_mlflows_own_server_runs_in_a_container_of_its_own() -> None:
    """KServe's storage initializer brings the model, as to every custom container."""
    found = MlModel(("python_function",), "3.17.2", "3.12.1")
    body = body_of(None, platform="kserve", server="mlflow", env_secret="pip", mlmodel=found)
    predictor = body["spec"]["predictor"]
    (server,) = predictor["containers"]
    assert (server["name"], server["image"]) == ("kserve-container", "python:3.12-slim")
    assert {"name": "STORAGE_URI", "value": "s3://models/1/"} in server["env"]
    assert server["envFrom"] == [{"secretRef": {"name": "pip"}}]
    assert {one["name"] for one in predictor["volumes"]} == {
        one["name"] for one in server["volumeMounts"]
    }
    assert predictor["securityContext"]["runAsNonRoot"] is True


def test_a_versions_own_image_has_the_model_inside() -> None:
    tags = {"m2s.io/image": "shop/iris:4"}
    body = body_of(None, platform="kserve", tags=tags)
    own = {"name": "kserve-container", "image": "shop/iris:4"}
    assert body["spec"]["predictor"]["containers"] == [own]
    assert body_of(described(), tags=tags)["spec"]["predictor"]["model"]["image"] == "shop/iris:4"


def test_what_only_mlflow_hands_out_is_brought_where_something_fetches() -> None:
    source = "mlflow-artifacts:/0/models/m-1/artifacts"
    assert "no model server can read" in reason(described(), source=source)
    body = body_of(described(), source=source, fetch_image="m2s:1")
    assert body["spec"]["predictor"]["model"]["storageUri"] == source


def tagged(deploy: Any, **tags: str) -> Any:
    given = {f"m2s.io/{name}": value for name, value in tags.items()}
    return body_of(deploy, tags=given)["spec"]["predictor"]


def test_tags_are_about_the_stable_predictor() -> None:
    body = described()
    body["spec"]["predictor"] |= {"minReplicas": 1, "maxReplicas": 2}
    predictor = tagged(body, replicas="3", protocol="grpc-v2", **{"limits.memory": "2Gi"})
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == (3, 3)
    assert predictor["model"]["resources"] == {"limits": {"memory": "2Gi"}}
    assert predictor["model"]["protocolVersion"] == "grpc-v2"
    containers = [{"name": "sidecar", "image": "a"}, {"name": "kserve-container", "image": "b"}]
    own = described(predictor={"containers": containers})
    predictor = tagged(own, **{"requests.cpu": "500m"})
    assert predictor["containers"][1]["resources"] == {"requests": {"cpu": "500m"}}
    assert predictor["containers"][0] == containers[0]
    lost = copy.deepcopy(own)
    lost["spec"]["predictor"]["containers"][1]["name"] = "server"
    for deploy, tag, told in (
        (lost, "m2s.io/requests.cpu", "none of spec.predictor.containers is named"),
        (own, "m2s.io/protocol", "a container of its own speaks what its image does"),
        (own, "m2s.io/traffic", "no such tag"),
    ):
        value = "v2" if tag.endswith("protocol") else "1"
        assert reason(deploy, tags={tag: value}).startswith(f"tag {tag}: {told}")


def test_what_stops_a_deployment_is_a_warning() -> None:
    body = described()
    body["metadata"]["annotations"]["serving.kserve.io/stop"] = "true"
    change = planned(yaml.safe_dump(body))
    assert isinstance(change, Create)
    (warning,) = change.manifest.warnings
    assert warning.startswith("annotation serving.kserve.io/stop is set: it serves nothing")
