"""m2s and the real KServe on a cluster whose pods run: what they deploy together answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import mlserver
from tests.kits.support import Models, m2s
from tests.pods import images
from tests.pods.fixtures import missing
from tests.pods.lab import Lab
from tests.pods.models import Wanted, log_each, log_models

Json = dict[str, Any]
_NAME = "fare"
_FETCH = ("--fetch-image", "registry.example.com/m2s:latest")
_SERVE = "exec mlflow models serve -m /mnt/models --env-manager local -h 0.0.0.0 -p 8080"


@pytest.fixture(scope="module")
def kserve_lab(lab: Lab) -> Lab:
    """The lab, with KServe on it and m2s as its storage initializer for a registry's models."""
    lab.start_kserve()
    container: Json = {"name": "storage-initializer", "image": "registry.example.com/m2s:latest"}
    container["command"] = ["m2s", "fetch"]
    container["env"] = [{"name": "MLFLOW_TRACKING_URI", "value": lab.mlflow}]
    spec = {
        "container": container,
        "supportedUriFormats": [{"prefix": "mlflow-artifacts:/"}, {"prefix": "models:/"}],
        "workloadType": "initContainer",
        "supportsMultiModelDownload": False,
    }
    body = {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ClusterStorageContainer",
        "metadata": {"name": "m2s-models"},
        "spec": spec,
    }
    path = "/apis/serving.kserve.io/v1alpha1/clusterstoragecontainers"
    lab.server.call("POST", path, body)
    return lab


def test_an_inference_service_serves_a_model_that_only_mlflow_hands_out(kserve_lab: Lab) -> None:
    lab, namespace = kserve_lab, kserve_lab.namespace()
    (model,) = log_models(lab.mlflow, _NAME, [4.0], deploy=_description())
    Models(lab.mlflow, Path("unused")).alias(model.name, "kserve", model.version)
    where = ("--alias", "kserve", "--tracking-uri", lab.mlflow)
    cluster = ("--kubeconfig", str(lab.kubeconfig(namespace)))

    applied = m2s("apply", *where, *cluster, *_FETCH, "--verify", "--timeout", "600")

    assert applied.code == 0, (applied, lab.logs(namespace))
    assert "verified: HTTP 200" in applied.out
    name = f"{_NAME}-kserve-predictor"
    service = f"/api/v1/namespaces/{namespace}/services/{name}"
    port = lab.server.call("GET", service)["spec"]["ports"][0]["port"]
    answer = lab.ask(namespace, f"{name}:{port}", "invocations", model.example)
    assert answer == {"predictions": model.predicted}


def test_the_stock_mlserver_answers_each_kind_of_example_in_v2(kserve_lab: Lab) -> None:
    python = mlserver.provide()
    if python is None:
        missing(mlserver.HINT)
    lab, namespace = kserve_lab, kserve_lab.namespace()
    start = "from mlserver.cli import main; main()"
    lab.add_image("seldonio/mlserver", python, str(python), "-c", start, "start", "/mnt/models")
    kinds = ("frame", "tensor", "text")
    models = log_each(lab.mlflow, *(Wanted(name=f"v2-{kind}", kind=kind) for kind in kinds))
    for model in models:
        Models(lab.mlflow, Path("unused")).alias(model.name, "stock", model.version)
    where = ("--alias", "stock", "--tracking-uri", lab.mlflow, "--platform", "kserve")
    cluster = ("--kubeconfig", str(lab.kubeconfig(namespace)))

    applied = m2s("apply", *where, *cluster, *_FETCH, "--verify", "--timeout", "600")

    assert applied.code == 0, (applied, lab.logs(namespace))
    assert applied.out.count("verified: HTTP 200") == len(kinds)
    for model in models:
        service = f"{model.name}-stock-predictor:80"
        answer = lab.ask(namespace, service, "invocations", model.example)
        assert answer == {"predictions": model.predicted}
    assert m2s("prune", "--all", "--yes", *where, *cluster).code == 0


def _description() -> str:
    """Return an InferenceService with MLflow's server as its container."""
    container = {
        "name": "kserve-container",
        "image": images.PYTHON,
        "command": ["sh", "-euc", _SERVE],
        "env": [{"name": "STORAGE_URI", "value": ""}],
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/ping", "port": 8080}, "periodSeconds": 1},
    }
    predictor = {"terminationGracePeriodSeconds": 2, "containers": [container]}
    body = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "spec": {"predictor": predictor},
    }
    return yaml.safe_dump(body)
