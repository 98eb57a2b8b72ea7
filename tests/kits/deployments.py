"""SeldonDeployments and manifests for the tests of the cluster edges."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from kubernetes import client

from m2s.base.labels import MANAGED_BY, OWNER
from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Manifest
from m2s.domain.versions import Key, Selector
from tests.kits.kind import GROUP, PLURAL, VERSION
from tests.servers import ApiServer

SELECTOR = Selector("stage", "Staging")
CONTAINER = {"name": "classifier", "image": "registry.example/server:1"}


def body(
    namespace: str,
    name: str = "fraud",
    *,
    uri: str = "s3://models/fraud/1",
    owner: str | None = "stage-staging",
    annotations: Mapping[str, str] | None = None,
    **predictor: Any,
) -> dict[str, Any]:
    """Return a SeldonDeployment as m2s would write it; ``owner`` None makes it somebody else's."""
    labels = {MANAGED_BY: "m2s", OWNER: owner} if owner else {"app": "by-hand"}
    graph = {"name": "classifier", "implementation": "MLFLOW_SERVER", "modelUri": uri}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "SeldonDeployment",
        "metadata": metadata,
        "spec": {"predictors": [{"name": "default", "graph": graph, **copy.deepcopy(predictor)}]},
    }


def manifest(namespace: str, name: str = "fraud", **parts: Any) -> Manifest:
    """Return a manifest of :func:`body`."""
    return manifest_of(body(namespace, name, **parts))


def manifest_of(whole: Mapping[str, Any]) -> Manifest:
    """Return a manifest of any object."""
    metadata = whole["metadata"]
    key = Key(metadata["namespace"], metadata["name"])
    return Manifest(key, "stage-staging", SELECTOR, (), whole)


def uri_of(live: LiveDeployment | Mapping[str, Any]) -> str:
    """Return the model URI of the first predictor."""
    whole = live.body if isinstance(live, LiveDeployment) else live
    return str(whole["spec"]["predictors"][0]["graph"]["modelUri"])


def patch(
    server: ApiServer,
    key: Key,
    change: dict[str, Any],
    *,
    manager: str = "kubectl-patch",
    status: bool = False,
) -> None:
    """Merge-patch an object, or its status, as somebody else would."""
    api = client.CustomObjectsApi(server.admin)
    call = (
        api.patch_namespaced_custom_object_status if status else api.patch_namespaced_custom_object
    )
    call(
        GROUP, VERSION, key.namespace, PLURAL, key.name, change,
        field_manager=manager, _content_type="application/merge-patch+json",
    )  # fmt: skip


def create(server: ApiServer, whole: Mapping[str, Any], *, manager: str = "kubectl-create") -> None:
    """Create an object as somebody else would."""
    client.CustomObjectsApi(server.admin).create_namespaced_custom_object(
        GROUP, VERSION, whole["metadata"]["namespace"], PLURAL, dict(whole), field_manager=manager
    )


def delete(server: ApiServer, key: Key) -> None:
    """Delete an object as somebody else would."""
    client.CustomObjectsApi(server.admin).delete_namespaced_custom_object(
        GROUP, VERSION, key.namespace, PLURAL, key.name
    )
