"""What KServe would take, and not do: judged by what was read of the cluster."""

from __future__ import annotations

import json
from typing import Any

import pytest

from m2s.domain.manifests import Manifest
from m2s.domain.versions import Key, MlModel, ModelVersion, Selector, Unchecked
from m2s.objects.body import Body
from m2s.platforms import catalogue
from m2s.platforms.findings import Facts, Look
from m2s.platforms.platform import Platform
from m2s.platforms.problem import Problem

URI = "s3://models/1/"
LOADED = MlModel(("python_function",))


def kserve() -> Platform:
    platform = catalogue.of_body({"kind": "InferenceService"})
    assert platform
    return platform


def manifest(mode: str = "Standard", canary: Any = None, **predictor: Any) -> Manifest:
    model = {"modelFormat": {"name": "mlflow"}, "protocolVersion": "v2", "storageUri": URI}
    given: dict[str, Any] = {"model": {**model, **predictor.pop("model", {})}, **predictor}
    told = {"serving.kserve.io/deploymentMode": mode} if mode else {}
    body = {
        "metadata": {"name": "iris", "namespace": "shop", "labels": {}, "annotations": told},
        "spec": {"predictor": given, **({"canary": canary} if canary else {})},
    }
    version, key = ModelVersion("iris", 1), Key("shop", "iris", "InferenceService")
    return Manifest(key, "stage-staging", Selector("stage", "Staging"), (version,), body)


def runtime(name: str, image: str, *formats: str, **spec: Any) -> Body:
    supported = [{"name": one, "version": "2", "autoSelect": True} for one in formats]
    container = {"name": "kserve-container", "image": image}
    given = {"supportedModelFormats": supported, "protocolVersions": ["v2"], **spec}
    return {"metadata": {"name": name}, "spec": {**given, "containers": [container]}}


STOCK = runtime("kserve-mlserver", "docker.io/seldonio/mlserver:1.7.1", "mlflow", "sklearn")
OWN = runtime("ours", "registry/our-mlflow:3", "mlflow")
SHIPPED = {
    "metadata": {"name": "default"},
    "spec": {"supportedUriFormats": [{"prefix": "s3://"}, {"regex": "https://(.+?).blob.core.+"}]},
}


def config(mode: str = "Standard", *, gateway: bool = False) -> Body:
    data = {"deploy": {"defaultDeploymentMode": mode}, "ingress": {"enableGatewayApi": gateway}}
    return {"data": {**{name: json.dumps(part) for name, part in data.items()}, "odd": "{"}}


def facts(of: Manifest, *, model: MlModel = LOADED, **seen: Any) -> Facts:
    """Return what was read; ``seen`` by kind, of the others nothing is known."""
    looks = kserve().needs(of.body).looks
    found = {look: seen[look.resource.kind] for look in looks if look.resource.kind in seen}
    return Facts(models={URI: model}, looks=found)


def warnings(of: Manifest, **seen: Any) -> tuple[str, ...]:
    return kserve().checked(of, facts(of, **seen)).warnings


def refusal(of: Manifest, **seen: Any) -> str:
    with pytest.raises(Problem) as caught:
        kserve().checked(of, facts(of, **seen))
    return str(caught.value)


def test_what_is_not_known_is_no_finding() -> None:
    assert warnings(manifest()) == ()
    assert kserve().checked(manifest(), Facts()) == manifest()
    assert warnings(manifest(), ClusterServingRuntime=(), ServingRuntime=Unchecked("403")) == ()


@pytest.mark.parametrize(
    ("model", "runtimes", "told"),
    [
        ({}, (STOCK,), ""),
        ({}, (), "no runtime of this cluster serves model format mlflow with protocol v2: install"),
        (
            {"protocolVersion": "v1"},
            (STOCK,),
            "no runtime of this cluster serves model format mlflow",
        ),
        ({"modelFormat": {"name": "mlflo"}}, (STOCK,), "no runtime of this cluster serves model"),
        ({"modelFormat": {"name": "mlflow", "version": "9"}}, (STOCK,), "no runtime of this"),
        ({}, (runtime("off", "mlserver:1.7.1", "mlflow", disabled=True),), "no runtime of this"),
        ({"runtime": "ours"}, (STOCK,), "there is no runtime ours, which the predictor names"),
        ({"runtime": "ours"}, (STOCK, OWN), ""),
    ],
)
def test_a_format_without_a_runtime_is_told(
    model: dict[str, Any], runtimes: tuple[Body, ...], told: str
) -> None:
    found = warnings(manifest(model=model), ServingRuntime=(), ClusterServingRuntime=runtimes)
    assert [line[: len(told)] for line in found] == ([told] if told else [])


SKOPS = MlModel(("python_function", "sklearn"), "3.17.2", "3.12.1", formats=("skops",))


@pytest.mark.parametrize(
    ("model", "runtimes", "misfits"),
    [
        ({}, (STOCK,), True),
        ({}, Unchecked("403"), True),  # every stock image of KServe's
        ({}, (STOCK, OWN), False),  # either may be chosen
        ({"runtime": "ours"}, (STOCK, OWN), False),
        ({"runtime": "ours"}, Unchecked("403"), False),
        ({"image": "our-mlflow:3"}, (STOCK,), False),
        ({"image": "mirror:5000/seldonio/mlserver:1.5.0-slim"}, (STOCK,), True),
    ],
)
def test_what_the_runtimes_image_cannot_load_is_told(
    model: dict[str, Any], runtimes: Any, misfits: bool
) -> None:
    item = manifest(model=model)
    found = warnings(item, model=SKOPS, ServingRuntime=(), ClusterServingRuntime=runtimes)
    assert len(found) == misfits
    if misfits:
        assert found[0].startswith(
            "saved as skops, MLflow's default since 3.14, which the MLflow 2"
        )
        assert found[0].endswith("or name a runtime that can in model.runtime")
    fits = MlModel(("python_function",), "3.17.2", "3.10.4")
    assert warnings(item, model=fits, ServingRuntime=(), ClusterServingRuntime=runtimes) == ()


@pytest.mark.parametrize(
    ("uri", "containers", "chosen", "told"),
    [
        (URI, (SHIPPED,), "", ""),
        ("https://a.blob.core.windows.net/c/1", (SHIPPED,), "", ""),
        ("pvc://claim/1", (), "", ""),
        ("oci://r/m:1", (SHIPPED,), "", ""),
        (
            "ftp://host/1",
            (SHIPPED,),
            "",
            "no ClusterStorageContainer of default reads ftp://host/1: map",
        ),
        ("s3://a/", (), "", "no ClusterStorageContainer of this cluster, which has none, reads"),
        (URI, (SHIPPED,), "ours", "there is no ClusterStorageContainer ours, which the predictor"),
    ],
)
def test_a_scheme_that_nothing_reads_is_told(
    uri: str, containers: tuple[Body, ...], chosen: str, told: str
) -> None:
    named = {"storageContainerName": chosen} if chosen else {}
    item = manifest(model={"storageUri": uri}, **named)
    found = warnings(item, ClusterStorageContainer=containers)
    assert [line[: len(told)] for line in found] == ([told] if told else [])


CANARY = [{"trafficPercent": 10, "predictor": {"name": "b", "model": {"storageUri": URI}}}]


@pytest.mark.parametrize(
    ("item", "configured", "told"),
    [
        (manifest(canary=CANARY), (config(gateway=True),), ""),
        (manifest(canary=CANARY), Unchecked(""), ""),  # a folder
        (manifest(canary=CANARY), (config(),), "spec.canary: KServe gives the share with Gateway"),
        (
            manifest(canary=CANARY),
            Unchecked("403"),
            "spec.canary: whether KServe gives the share is",
        ),
        (manifest("", CANARY), (config("Serverless", gateway=True),), "spec.canary: KServe shares"),
        (
            manifest("", canaryTrafficPercent=5),
            (config(),),
            "spec.predictor.canaryTrafficPercent: ",
        ),
        (manifest("", canaryTrafficPercent=5), (config("Knative"),), ""),
    ],
)
def test_a_share_that_nobody_would_give_is_refused(
    item: Manifest, configured: Any, told: str
) -> None:
    if told:
        assert refusal(item, ConfigMap=configured).startswith(told)
    else:
        assert warnings(item, ConfigMap=configured) == ()


def test_knative_mode_needs_knative() -> None:
    told = refusal(manifest("Serverless"), APIResourceList=())
    assert told.startswith("annotation serving.kserve.io/deploymentMode wants Serverless mode, and")
    told = refusal(manifest(""), APIResourceList=(), ConfigMap=(config("Knative"),))
    assert told.startswith("KServe's configuration wants Knative mode, and this cluster has no")
    assert warnings(manifest("Knative"), APIResourceList=({"kind": "APIResourceList"},)) == ()
    assert warnings(manifest("Knative")) == ()


def test_a_definition_without_a_schema_is_said_once() -> None:
    looks = kserve().needs(manifest().body).looks
    (look,) = (one for one in looks if one.resource.kind == "InferenceService")
    assert look == Look(look.resource, "shop", first=True)
    specs: tuple[dict[str, Any], ...] = ({}, {"f:predictor": {}})
    for spec in specs:
        there = {"metadata": {"managedFields": [{"fieldsV1": {"f:spec": spec}}]}}
        assert len(list(kserve().remarks(Facts(looks={look: (there,)})))) == (not spec)
    assert list(kserve().remarks(Facts())) == []


def test_a_missing_service_account_is_told() -> None:
    item = manifest(serviceAccountName="reader")
    assert kserve().needs(item.body).accounts == {"reader"}
    (warning,) = kserve().checked(item, Facts(accounts={"reader": False})).warnings
    assert warning.startswith("ServiceAccount reader, which the predictor runs as, does not exist")
