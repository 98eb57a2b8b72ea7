"""The Seldon operator and the Deployment controller, played by hand: nothing runs them in tests."""

from __future__ import annotations

import base64
import json
from typing import Any

from kubernetes import client

from m2s.domain.deployments import LiveDeployment
from m2s.targets.kubernetes.namespace import KubernetesCluster
from tests.kits import deployments
from tests.servers import ApiServer


class Operator:
    """What Seldon Core's operator and the Deployment controller would do, one step at a time."""

    def __init__(self, server: ApiServer, cluster: KubernetesCluster) -> None:
        self.server, self.cluster = server, cluster
        self.apps: Any = client.AppsV1Api(server.admin)

    def deploy(
        self,
        live: LiveDeployment,
        name: str = "fraud-default-0-classifier",
        *,
        uri: str = "",
        image: str = "seldonio/mlflowserver:1.17.1",
        predictor: str = "default",
        replicas: int = 1,
        engine: bool = True,
        owner: str | None = None,
        seldon_id: str = "fraud",
    ) -> None:
        """Create or update a Deployment of a prepackaged server, of ``live``'s model by default."""
        uri = uri or deployments.uri_of(live)
        labels = {"seldon-deployment-id": seldon_id, "app": name}
        load = {"name": "classifier-model-initializer", "image": "rclone", "args": [uri, "/mnt"]}
        mark = {"name": "PREDICTOR_ID", "value": predictor}
        serve = {"name": "classifier", "image": image, "env": [mark]}
        graph = {"name": predictor, "graph": {"name": "classifier", "modelUri": uri}, "replicas": 0}
        encoded = base64.b64encode(json.dumps(graph).encode()).decode()
        executor = {"name": "seldon-container-engine", "image": "seldonio/executor"}
        executor["env"] = [{"name": "ENGINE_PREDICTOR", "value": encoded}]  # type: ignore[assignment]
        pod = {"initContainers": [load], "containers": [serve, *([executor] if engine else [])]}
        whole = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": name,
                "labels": labels,
                "ownerReferences": [_controller(live, owner or live.uid)],
            },
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        }
        self.apps.patch_namespaced_deployment(
            name, self.cluster.namespace, whole,
            field_manager="operator", force=True, _content_type="application/apply-patch+yaml",
        )  # fmt: skip

    def count(
        self,
        name: str = "fraud-default-0-classifier",
        *,
        total: int = 1,
        updated: int = 1,
        available: int = 1,
        stuck: str = "",
        observed: bool = True,
    ) -> None:
        """Write a Deployment's status."""
        there = self.apps.read_namespaced_deployment(name, self.cluster.namespace)
        status: dict[str, Any] = {"replicas": total, "updatedReplicas": updated}
        status |= {"availableReplicas": available, "readyReplicas": available}
        status["observedGeneration"] = there.metadata.generation - (0 if observed else 1)
        if stuck:
            reason = {"reason": "ProgressDeadlineExceeded", "message": stuck}
            status["conditions"] = [{"type": "Progressing", "status": "False", **reason}]
        self.apps.patch_namespaced_deployment_status(
            name, self.cluster.namespace, {"status": status}
        )

    def report(self, live: LiveDeployment, state: str, description: str = "") -> None:
        """Write the SeldonDeployment's status; like the operator, without observedGeneration."""
        status = {"state": state, "description": description}
        deployments.patch(self.server, live.key, {"status": status}, status=True)

    def remove(self, name: str) -> None:
        self.apps.delete_namespaced_deployment(name, self.cluster.namespace)


def _controller(live: LiveDeployment, uid: str) -> dict[str, Any]:
    kind = {"apiVersion": "machinelearning.seldon.io/v1", "kind": "SeldonDeployment"}
    return {**kind, "name": live.key.name, "uid": uid, "controller": True}
