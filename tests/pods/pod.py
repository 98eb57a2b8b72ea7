"""One pod on the lab's node, from its first container to its removal, on a thread of its own."""

from __future__ import annotations

import contextlib
import shutil
import threading
import urllib.error
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.controllers.nodes import now
from tests.pods import images
from tests.pods.containers import Asked, Container
from tests.pods.given import Call, Given, Unable, filled, words
from tests.pods.network import PodNetwork
from tests.pods.probes import Probe
from tests.pods.running import Running

Json = dict[str, Any]
_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
_UNABLE = ("hostNetwork", "hostPID", "hostIPC", "ephemeralContainers", "runtimeClassName")
_AGAIN_SECONDS = 0.5


class Pod:
    """Lives until :meth:`leave`, and a little longer: then the API server's object is gone, too.

    ``ports`` are those that 127.0.0.1 has in every pod; ``server`` one of them, the API server's.
    """

    def __init__(self, body: Json, call: Call, folder: Path, ports: Sequence[int]) -> None:
        metadata = body["metadata"]
        self.uid = str(metadata["uid"])
        self._body, self._call, self._ports = body, call, ports
        self._path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        self._logs = folder / "logs" / metadata["namespace"] / metadata["name"]
        self._folder = folder / "pods" / self.uid
        for each in (self._logs, self._folder):
            each.mkdir(parents=True, exist_ok=True)
        self._leaving, self._telling = threading.Event(), threading.Lock()
        self._grace = 30.0
        self._since = now()
        self._given = Given(body, call, self._folder)
        self._volumes: Mapping[str, Path] = {}
        self._network: PodNetwork | None = None
        spec = body["spec"]
        self._inits = [self._running(each) for each in spec.get("initContainers", ())]
        self._mains = [self._running(each) for each in spec["containers"]]
        self._thread = threading.Thread(target=self._live, name=metadata["name"], daemon=True)
        self._thread.start()

    @property
    def is_gone(self) -> bool:
        """Whether nothing of it is left."""
        return not self._thread.is_alive()

    def leave(self, grace: float) -> None:
        """Start its end."""
        self._grace = grace
        self._leaving.set()

    def _running(self, body: Json) -> Running:
        return Running(body, self._start, self._tell, self._leaving)

    def _live(self) -> None:
        try:
            self._network = PodNetwork(self._ports)
            if self._prepare() and self._initialize():
                self._keep()
            self._leaving.wait()
        finally:
            self._part()

    def _prepare(self) -> bool:
        """Make the volumes, again and again until what they are made of is there."""
        while not self._leaving.is_set():
            try:
                if unable := [key for key in _UNABLE if self._body["spec"].get(key)]:
                    raise Unable(f"the lab does not do {unable[0]}")
                self._volumes = self._given.volumes()
            except (Unable, OSError) as error:
                waiting = {"reason": "ContainerCreating", "message": str(error)}
                self._mains[0].told["state"] = {"waiting": waiting}
                self._tell()
                self._leaving.wait(_AGAIN_SECONDS)
            else:
                return True
        return False

    def _initialize(self) -> bool:
        for each in self._inits:
            while not each.once():
                if self._leaving.is_set() or self._restarts == "Never":
                    return False
                each.wait_before_restart()
            each.told["ready"] = True
            self._tell()
        return not self._leaving.is_set()

    def _keep(self) -> None:
        threads = [
            threading.Thread(target=each.keep, args=(self._probes, self._restarts), daemon=True)
            for each in self._mains
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _part(self) -> None:
        every = [*self._inits, *self._mains]
        threads = [threading.Thread(target=each.leave, args=(self._grace,)) for each in every]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._network:
            self._network.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
        with contextlib.suppress(urllib.error.HTTPError):
            self._call("DELETE", self._path, options)

    @property
    def _restarts(self) -> str:
        return str(self._body["spec"].get("restartPolicy", "Always"))

    def _probes(self, body: Json) -> Json:
        """Return a container's probes, new for each of its starts."""
        assert self._network
        ports = {each.get("name"): each["containerPort"] for each in body.get("ports", ())}
        ip = self._network.ip
        return {kind: Probe(body[kind], ip, ports) for kind in _PROBES if kind in body}

    def _start(self, body: Json) -> Container:
        image = images.find(body["image"])
        if image is None:
            raise Unable(f'ErrImagePull: the lab has nothing for the image "{body["image"]}"')
        if body.get("restartPolicy"):
            raise Unable("the lab has no sidecars among init containers")
        assert self._network
        environment = {**image.environment, **self._server()}
        environment |= self._given.environment(body, self._network.ip)
        argv = [*body.get("command", image.entrypoint), *body.get("args", ())]
        argv = argv if argv else list(image.command)
        asked = Asked(
            name=self._body["metadata"]["name"],
            ip=self._network.ip,
            argv=words(argv, environment),
            environment=environment,
            folder=filled(body.get("workingDir", "/"), environment),
            folders=image.folders,
            volumes=self._given.mounts(body, self._volumes),
            read_only=body.get("securityContext", {}).get("readOnlyRootFilesystem", False),
        )
        starts = len(list(self._logs.glob(f"{body['name']}.*.log")))
        log = self._logs / f"{body['name']}.{starts}.log"
        return Container(asked, self._network, self._folder, log)

    def _server(self) -> dict[str, str]:
        host, port = "127.0.0.1", str(self._ports[0])
        return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}

    def _tell(self) -> None:
        """Write the status; it is left alone once the pod is gone."""
        with self._telling, contextlib.suppress(OSError):
            for _ in range(10):
                body = self._call("GET", self._path)
                if body["metadata"]["uid"] != self.uid:
                    return
                try:
                    self._call("PUT", f"{self._path}/status", {**body, "status": self._status()})
                except urllib.error.HTTPError as error:
                    if error.code != 409:
                        raise
                else:
                    return

    def _status(self) -> Json:
        initialized = all(each.told["ready"] for each in self._inits)
        ready = initialized and all(each.told["ready"] for each in self._mains)
        told = {"PodScheduled": True, "Initialized": initialized}
        told |= {"ContainersReady": ready, "Ready": ready}
        status: Json = {"phase": self._phase(), "startTime": self._since, "hostIP": "127.0.0.1"}
        status["conditions"] = [
            {"type": kind, "status": str(value), "lastTransitionTime": now()}
            for kind, value in told.items()
        ]
        if self._network:
            status |= {"podIP": self._network.ip, "podIPs": [{"ip": self._network.ip}]}
        status["initContainerStatuses"] = [dict(each.told) for each in self._inits]
        status["containerStatuses"] = [dict(each.told) for each in self._mains]
        return status

    def _phase(self) -> str:
        states = [next(iter(each.told["state"])) for each in self._mains]
        started = [each for each in self._mains if "lastState" in each.told]
        if self._restarts != "Always" and set(states) == {"terminated"}:
            codes = [each.told["state"]["terminated"]["exitCode"] for each in self._mains]
            return "Failed" if any(codes) else "Succeeded"
        return "Pending" if set(states) == {"waiting"} and not started else "Running"
