"""An API server with KServe running on it: its definitions, webhooks, runtimes and controller."""

from __future__ import annotations

import base64
import json
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from tests.controllers.loops import ControlLoops
from tests.controllers.nodes import PretendNodes
from tests.servers import ApiServer, free_port, wait_for
from tests.servers.certs import make_tls
from tests.servers.process import Process

Json = dict[str, Any]
NAMESPACE = "kserve"
_GROUP = "serving.kserve.io"
_HOOKS = "/apis/admissionregistration.k8s.io/v1"
_RUNTIMES = ("kserve-mlserver", "kserve-sklearnserver")
_IMAGES = {
    "mlserver:replace": "docker.io/seldonio/mlserver:1.7.1",
    "kserve-sklearnserver:replace": "kserve/sklearnserver:latest",
    "default-storage-initilizer:replace": "kserve/storage-initializer:latest",
}
"""What the module's kustomizations put in place of these names."""
_SETTINGS: dict[str, Json] = {
    "deploy": {"defaultDeploymentMode": "Standard"},
    "ingress": {"disableIngressCreation": True, "disableIstioVirtualHost": True},
}
"""What differs from the configuration that KServe ships: neither Knative nor Istio is here."""


class KserveCluster:
    """KServe in Standard mode: Deployments, Services and autoscalers follow an InferenceService.

    ``server`` is its API server, ``nodes`` decides which pods get ready. No container runs.
    """

    def __init__(self, programs: Path, kserve: Path, control: Path, folder: Path) -> None:
        self._closing = ExitStack()
        with ExitStack() as started:
            self.server = ApiServer(programs, folder)
            started.callback(self.server.close)
            started.callback(ControlLoops(control, self.server, folder).close)
            self.nodes = PretendNodes(self.server)
            started.callback(self.nodes.close)
            self.kserve = Kserve(kserve, self.server, folder)
            started.callback(self.kserve.close)
            self._closing = started.pop_all()

    def close(self) -> None:
        """End everything."""
        self._closing.close()

    def namespace(self, prefix: str = "kserve-test") -> str:
        """Create a namespace with a name not used before; return it once pods can be made there."""
        name = self.server.namespace(prefix)
        path = f"/api/v1/namespaces/{name}/serviceaccounts"
        wait_for(lambda: self.call("GET", path)["items"], "a ServiceAccount")
        return name

    def kubeconfig(self, token: str | None = None, *, namespace: str | None = None) -> Path:
        """Write a kubeconfig, as :meth:`ApiServer.kubeconfig`."""
        return self.server.kubeconfig(token, namespace=namespace)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request as the administrator, as :meth:`ApiServer.call`."""
        return self.server.call(method, path, body)


class Kserve:
    """KServe's definitions, webhooks, runtimes and controller, put on an API server."""

    def __init__(self, programs: Path, server: ApiServer, folder: Path) -> None:
        self._kserve, self._server, self._folder = programs, server, folder
        self._process: Process | None = None
        try:
            self._define()
            self._install()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the controller."""
        if self._process is not None:
            self._process.kill()

    def configure(self, part: str, values: Json) -> None:
        """Change values of one part of inferenceservice-config, which is read at each pass."""
        path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/inferenceservice-config"
        there = self.call("GET", path)
        told = json.loads(there["data"].get(part, "{}"))
        there["data"][part] = json.dumps({**told, **values})
        self.call("PUT", path, there)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request as the administrator, as :meth:`ApiServer.call`."""
        return self._server.call(method, path, body)

    def _define(self) -> None:
        """Install the definitions; wait until discovery lists them, else the manager gives up."""
        crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        for file in sorted((self._kserve / "config/crd/full").glob("*.yaml")) + sorted(
            (self._kserve / "config/crd/full/clusterstoragecontainer").glob("*.yaml")
        ):
            for body in _documents(file):
                if body["kind"] == "CustomResourceDefinition":
                    self.call("POST", crds, body)
        wait_for(self._is_listed, "KServe's kinds to be listed")

    def _is_listed(self) -> bool:
        groups = {each["name"] for each in self.call("GET", "/apis")["groups"]}
        if _GROUP not in groups:
            return False
        wanted = {"v1beta1": {"inferenceservices"}}
        wanted["v1alpha1"] = {"servingruntimes", "clusterservingruntimes", "inferencegraphs"}
        wanted["v1alpha1"] |= {"trainedmodels", "clusterstoragecontainers"}
        return all(names <= self._listed(version) for version, names in wanted.items())

    def _listed(self, version: str) -> set[str]:
        try:
            found = self.call("GET", f"/apis/{_GROUP}/{version}")["resources"]
        except urllib.error.HTTPError:
            return set()
        return {each["name"] for each in found}

    def _install(self) -> None:
        self.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        (config,) = _documents(self._kserve / "config/configmap/inferenceservice.yaml")
        config["data"].pop("_example")
        self.call("POST", f"/api/v1/namespaces/{NAMESPACE}/configmaps", config)
        for part, values in _SETTINGS.items():
            self.configure(part, values)
        port = self._start()
        self._register(port)
        kinds = f"/apis/{_GROUP}/v1alpha1"
        for name in _RUNTIMES:
            self._create(f"{kinds}/clusterservingruntimes", f"runtimes/{name}.yaml")
        self._create(f"{kinds}/clusterstoragecontainers", "storagecontainers/default.yaml")

    def _start(self) -> int:
        """Start the manager; return the port of its webhooks."""
        certs = self._folder / "tmp/k8s-webhook-server/serving-certs"
        certs.mkdir(parents=True)
        tls = make_tls(certs)
        shutil.copyfile(tls.cert_file, certs / "tls.crt")
        shutil.copyfile(tls.key_file, certs / "tls.key")
        self._authority = base64.b64encode(tls.ca_file.read_bytes()).decode()
        port, health = free_port(), free_port()
        flags = {"webhook-port": port, "metrics-addr": "0"}
        flags["health-probe-addr"] = f"127.0.0.1:{health}"
        argv = [
            str(self._kserve / "manager"),
            *(f"--{key}={value}" for key, value in flags.items()),
        ]
        env = {**os.environ, "TMPDIR": str(self._folder / "tmp"), "POD_NAMESPACE": NAMESPACE}
        env["KUBECONFIG"] = str(self._server.kubeconfig())
        self._process = Process(argv, self._folder / "kserve.log", env=env, cwd=self._folder)
        self._process.await_ready(lambda: _answers(f"http://127.0.0.1:{health}/readyz"))
        return port

    def _register(self, port: int) -> None:
        for body in _documents(self._kserve / "config/webhook/manifests.yaml"):
            for hook in body["webhooks"]:
                path = hook["clientConfig"]["service"]["path"]
                url = f"https://127.0.0.1:{port}{path}"
                hook["clientConfig"] = {"url": url, "caBundle": self._authority}
            kind = f"{body['kind'].lower()}s"
            self.call("POST", f"{_HOOKS}/{kind}", body)

    def _create(self, path: str, file: str) -> None:
        text = (self._kserve / "config" / file).read_text()
        for name, image in _IMAGES.items():
            text = text.replace(name, image)
        self.call("POST", path, yaml.safe_load(text))


def _documents(file: Path) -> Iterator[Json]:
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with file.open(encoding="utf-8") as text:
        yield from (each for each in yaml.load_all(text, Loader=loader) if each)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
