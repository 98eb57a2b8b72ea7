"""Nodes that run nothing: a pod that is bound to one is ready, or crashes, as the test wants it."""

from __future__ import annotations

import contextlib
import datetime
import json
import threading
import urllib.error
from collections.abc import Iterator, Mapping
from typing import Any

from tests.servers import ApiServer

Json = dict[str, Any]
_LOOK_SECONDS = 0.15
_RENEW_EVERY = 60
"""Looks between two renewals of a Lease: some ten seconds, of the forty that there are."""


class PretendNodes:
    """Two nodes, kept by a thread: pods on them get a status, and go when they are deleted.

    ``broken``: a pod whose JSON has one of these texts (a URI, an image) never becomes ready; its
    containers crash. Add and remove texts at any time: pods follow.
    """

    def __init__(self, server: ApiServer, names: tuple[str, ...] = ("node-1", "node-2")) -> None:
        self.broken: set[str] = set()
        self._server, self._names = server, names
        self._closing = threading.Event()
        for name in names:
            server.call("POST", "/api/v1/nodes", node(name))
            server.call("POST", leases(), lease(name))
        self._thread = threading.Thread(target=self._keep, name="nodes", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave the nodes as they are."""
        self._closing.set()
        self._thread.join(30)

    def _keep(self) -> None:
        looks = 0
        while not self._closing.wait(_LOOK_SECONDS):
            looks += 1
            with contextlib.suppress(OSError):  # also HTTPError: the next look tries again
                if looks % _RENEW_EVERY == 0:
                    self._renew()
                for pod in self._pods():
                    self._attend(pod)

    def _renew(self) -> None:
        for name in self._names:
            there = self._server.call("GET", leases(name))
            self._server.call("PUT", leases(name), {**there, "spec": lease(name)["spec"]})

    def _pods(self) -> Iterator[Json]:
        for pod in self._server.call("GET", "/api/v1/pods")["items"]:
            if pod["spec"].get("nodeName") in self._names:
                yield pod

    def _attend(self, pod: Json) -> None:
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        with contextlib.suppress(urllib.error.HTTPError):  # somebody else wrote it meanwhile
            if "deletionTimestamp" in metadata:
                options = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
                self._server.call("DELETE", path, options)
                return
            works = not self._is_broken(pod)
            if _is_ready(pod) is not works:
                self._server.call(
                    "PUT", f"{path}/status", {**pod, "status": _status(pod, works=works)}
                )

    def _is_broken(self, pod: Json) -> bool:
        text = json.dumps([pod["metadata"].get("annotations"), pod["spec"]])
        return any(each in text for each in tuple(self.broken))


def node(name: str) -> Json:
    """Return a Node that is ready and has room for every test."""
    room = {"cpu": "64", "memory": "256Gi", "pods": "500", "ephemeral-storage": "500Gi"}
    conditions = [
        {"type": kind, "status": value, "reason": "Pretended", "lastHeartbeatTime": now()}
        for kind, value in (("Ready", "True"), ("MemoryPressure", "False"))
    ]
    status = {"capacity": room, "allocatable": room, "conditions": conditions}
    status["addresses"] = [{"type": "InternalIP", "address": "127.0.0.1"}]
    metadata = {
        "name": name,
        "labels": {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"},
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status}


def lease(name: str) -> Json:
    """Return a node's Lease, renewed now."""
    spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now(".%f")}
    return {"metadata": {"name": name}, "spec": spec}


def leases(name: str = "") -> str:
    """Return the path of a node's Lease, or of all."""
    path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    return f"{path}/{name}" if name else path


def now(fraction: str = "") -> str:
    """Return the time as Kubernetes writes it."""
    return datetime.datetime.now(datetime.UTC).strftime(f"%Y-%m-%dT%H:%M:%S{fraction}Z")


def _is_ready(pod: Json) -> bool | None:
    """Whether the pod is told to be ready; None where nothing was told."""
    conditions = pod.get("status", {}).get("conditions", ())
    told: dict[str, str] = {each["type"]: each["status"] for each in conditions}
    return told["Ready"] == "True" if "Ready" in told else None


def _status(pod: Json, *, works: bool) -> Json:
    value = "True" if works else "False"
    told = {"PodScheduled": "True", "Initialized": "True", "ContainersReady": value, "Ready": value}
    since = now()
    conditions = [
        {"type": kind, "status": status, "lastTransitionTime": since}
        for kind, status in told.items()
    ]
    running = {"running": {"startedAt": since}}
    crashed = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    done = {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": since}}
    ip = "10.244.0." + str(sum(pod["metadata"]["uid"].encode()) % 250 + 2)
    spec = pod["spec"]
    state = running if works else crashed
    return {
        "phase": "Running",
        "startTime": since,
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "conditions": conditions,
        "initContainerStatuses": [
            _container(each, done, ready=True) for each in spec.get("initContainers", ())
        ],
        "containerStatuses": [_container(each, state, ready=works) for each in spec["containers"]],
    }


def _container(container: Mapping[str, Any], state: Json, *, ready: bool) -> Json:
    told: Json = {"name": container["name"], "image": container["image"], "imageID": "pretended"}
    restarts = 0 if ready else 3
    return {**told, "ready": ready, "started": ready, "restartCount": restarts, "state": state}
