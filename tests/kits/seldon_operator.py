"""The Seldon operator and the Deployment controller, played by hand: nothing runs them in tests."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.error import HTTPError

from kubernetes import client

from m2s.domain.deployments import LiveDeployment
from m2s.targets.kubernetes.namespace import KubernetesCluster
from tests.kits import deployments
from tests.kits.seldon_makes import made_of
from tests.servers import ApiServer

Json = dict[str, Any]


class Operator:
    """What Seldon Core's operator and the Deployment controller would do, one step at a time."""

    def __init__(self, server: ApiServer, cluster: KubernetesCluster) -> None:
        self.server, self.cluster = server, cluster
        self.apps: Any = client.AppsV1Api(server.admin)

    def reconcile(self, live: LiveDeployment, *names: str) -> tuple[str, ...]:
        """Create, update and delete Deployments as ``live`` wants them, or only those ``names``.

        Return the names of all that it wants.
        """
        wanted = {one["metadata"]["name"]: one for one in made_of(live.body)}
        there = {one["metadata"]["name"]: one for one in self.deployments(live)}
        for name, deployment in wanted.items():
            if not names or name in names:
                self._write(deployment, there.get(name))
        for name in there.keys() - wanted.keys():
            if not names or name in names:
                self.remove(name)
        return tuple(wanted)

    def serve(self, live: LiveDeployment) -> None:
        """Reconcile; everything is rolled out at once."""
        for name in self.reconcile(live):
            self.count(name)
        self.report(live, "Available")

    def deployments(self, live: LiveDeployment) -> list[Json]:
        """Return the Deployments that ``live`` controls."""
        path = f"/apis/apps/v1/namespaces/{self.cluster.namespace}/deployments"
        items: list[Json] = self.server.call("GET", path)["items"]
        references = [(one, one["metadata"].get("ownerReferences") or []) for one in items]
        return [one for one, owners in references if any(o["uid"] == live.uid for o in owners)]

    def _write(self, deployment: Json, found: Json | None) -> None:
        """Like the operator: of a Deployment that is there only the spec is replaced."""
        path = f"/apis/apps/v1/namespaces/{self.cluster.namespace}/deployments"
        if found is None:
            self.server.call("POST", path, deployment)
            return
        spec = {**deployment["spec"]}
        if spec.get("replicas") is None:
            spec["replicas"] = found["spec"]["replicas"]
        spec["selector"] = found["spec"]["selector"]
        self.server.call("PUT", f"{path}/{found['metadata']['name']}", {**found, "spec": spec})

    def count(
        self,
        name: str,
        *,
        total: int | None = None,
        updated: int | None = None,
        available: int | None = None,
        stuck: str = "",
        refused: str = "",
        observed: bool = True,
    ) -> None:
        """Write a Deployment's status; by default all of its replicas are rolled out."""
        there = self.apps.read_namespaced_deployment(name, self.cluster.namespace)
        total = there.spec.replicas if total is None else total
        updated = total if updated is None else updated
        available = updated if available is None else available
        status: dict[str, Any] = {"replicas": total, "updatedReplicas": updated}
        status |= {"availableReplicas": available, "readyReplicas": available}
        status["observedGeneration"] = there.metadata.generation - (0 if observed else 1)
        status["conditions"] = [
            {"type": kind, "status": value, "reason": reason, "message": message}
            for kind, value, reason, message in (
                ("Progressing", "False", "ProgressDeadlineExceeded", stuck),
                ("ReplicaFailure", "True", "FailedCreate", refused),
            )
            if message
        ]
        self.apps.patch_namespaced_deployment_status(
            name, self.cluster.namespace, {"status": status}
        )

    def pod(self, deployment: str, name: str, status: Mapping[str, Any]) -> None:
        """Make a pod of a Deployment, with a status as the kubelet or the scheduler writes it."""
        there = self.apps.read_namespaced_deployment(deployment, self.cluster.namespace)
        namespace = f"/api/v1/namespaces/{self.cluster.namespace}"
        account = {"metadata": {"name": "default"}}  # which a controller would have made
        with contextlib.suppress(HTTPError):
            self.server.call("POST", f"{namespace}/serviceaccounts", account)
        metadata = {"name": name, "labels": there.spec.template.metadata.labels}
        spec = {"containers": [{"name": "classifier", "image": "x"}]}
        self.server.call("POST", f"{namespace}/pods", {"metadata": metadata, "spec": spec})
        api: Any = client.CoreV1Api(self.server.admin)
        api.patch_namespaced_pod_status(name, self.cluster.namespace, {"status": dict(status)})

    def report(self, live: LiveDeployment, state: str, description: str = "") -> None:
        """Write the SeldonDeployment's status; like the operator, without observedGeneration."""
        status = {"state": state, "description": description}
        deployments.patch(self.server, live.key, {"status": status}, status=True)

    def remove(self, name: str) -> None:
        self.apps.delete_namespaced_deployment(name, self.cluster.namespace)


Act = Callable[[Operator, LiveDeployment], None]


@contextlib.contextmanager
def operator(server: ApiServer, cluster: KubernetesCluster, act: Act) -> Iterator[None]:
    """Do ``act`` for every deployment, once for each of its generations."""
    player, stop, seen = Operator(server, cluster), threading.Event(), set[tuple[str, int]]()

    def play() -> None:
        while not stop.wait(0.05):
            for live in cluster.list():
                if (live.uid, live.generation) not in seen:
                    act(player, live)
                    seen.add((live.uid, live.generation))

    thread = threading.Thread(target=play)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
