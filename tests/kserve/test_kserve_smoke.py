"""What the tests on KServe stand on: its controller, its webhooks and pods that get ready."""

from __future__ import annotations

from typing import Any

from tests.kserve.cluster import KserveCluster
from tests.servers import wait_for

Json = dict[str, Any]


def _service(cluster: KserveCluster, namespace: str, name: str, uri: str) -> str:
    """Create an InferenceService of an MLflow model; return its path."""
    path = f"/apis/serving.kserve.io/v1beta1/namespaces/{namespace}/inferenceservices"
    model = {"modelFormat": {"name": "mlflow"}, "protocolVersion": "v2", "storageUri": uri}
    body = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": name},
        "spec": {"predictor": {"model": model}},
    }
    cluster.call("POST", path, body)
    return f"{path}/{name}"


def _ready(cluster: KserveCluster, path: str) -> str | None:
    conditions = cluster.call("GET", path).get("status", {}).get("conditions", ())
    return next((str(each["status"]) for each in conditions if each["type"] == "Ready"), None)


def _deployment(cluster: KserveCluster, namespace: str, name: str) -> Json:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}-predictor"
    found: Json = cluster.call("GET", path)
    return found


def test_an_inference_service_becomes_pods_and_ready(kserve_cluster: KserveCluster) -> None:
    namespace = kserve_cluster.namespace()
    path = _service(kserve_cluster, namespace, "iris", "s3://models/iris/1")

    wait_for(lambda: _ready(kserve_cluster, path) == "True", "the InferenceService to be Ready")

    # Its webhook was here: this annotation is what it adds.
    annotations = kserve_cluster.call("GET", path)["metadata"]["annotations"]
    assert annotations["serving.kserve.io/deploymentMode"] == "Standard"
    template = _deployment(kserve_cluster, namespace, "iris")["spec"]["template"]
    assert "s3://models/iris/1" in template["metadata"]["annotations"].values()
    pods = kserve_cluster.call("GET", f"/api/v1/namespaces/{namespace}/pods")["items"]
    (initializer,) = pods[0]["spec"]["initContainers"]
    assert initializer["args"] == ["s3://models/iris/1", "/mnt/models"]


def test_a_version_whose_pods_crash_leaves_the_old_ones(kserve_cluster: KserveCluster) -> None:
    namespace = kserve_cluster.namespace()
    path = _service(kserve_cluster, namespace, "iris", "s3://models/works/1")
    wait_for(lambda: _ready(kserve_cluster, path) == "True", "the first version")
    uri = "s3://models/crashes/2"
    kserve_cluster.nodes.broken.add(uri)

    changed = kserve_cluster.call("GET", path)
    changed["spec"]["predictor"]["model"]["storageUri"] = uri
    kserve_cluster.call("PUT", path, changed)

    def stuck() -> bool:
        status = _deployment(kserve_cluster, namespace, "iris")["status"]
        updated, available = status.get("updatedReplicas"), status.get("availableReplicas")
        return (updated, available, status.get("unavailableReplicas")) == (1, 1, 1)

    wait_for(stuck, "the new pod to be there beside the old one")
    kserve_cluster.nodes.broken.discard(uri)
    status = "unavailableReplicas"
    wait_for(
        lambda: status not in _deployment(kserve_cluster, namespace, "iris")["status"],
        "the new pod to be ready",
    )
