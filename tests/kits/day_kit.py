"""A controller at work: ``m2s watch`` in the chart's Pod, servers that can fail, and neighbours."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from kubernetes.client import CoordinationV1Api
from prometheus_client.parser import text_string_to_metric_families

from tests.kits.pod_kit import Account
from tests.kits.support import Models, description, m2s, seldon
from tests.kits.watch_kit import Watch
from tests.kits.worlds import Namespace
from tests.servers import ApiServer, FaultProxy, MlflowServer, Recorded, free_port, wait_for
from tests.watch.test_watch import version_of

OURS = r"seldondeployments/(?P<name>[^/?]+)(?!.*dryRun)"
PASS = r"seldondeployments\?(?!.*watch)"


@dataclass
class Day:
    """Everything one test works with; the names of models and of deployments are the same."""

    server: ApiServer
    mlflow: MlflowServer
    account: Account
    proxy: FaultProxy

    @cached_property
    def models(self) -> Models:
        return Models(self.mlflow.uri, self.mlflow.database)

    @cached_property
    def offline(self) -> Models:
        """The same registry, behind the server's back: for when that is gone."""
        return Models(f"sqlite:///{self.mlflow.database}")

    @cached_property
    def objects(self) -> Namespace:
        return Namespace(self.server, self.account.models)

    def add(self, model: str, stage: str | None = "Staging") -> int:
        return self.models.add(model, description(model), stage=stage)

    def promote(self, model: str) -> str:
        """Put a new version into the stage, instead of those there, and return its number."""
        version = self.add(model, stage=None)
        self.models.move(model, version, "Staging")
        return str(version)

    def await_version(self, model: str, version: str) -> None:
        wait_for(lambda: version_of(self.objects, model) == version, f"{model} v{version}")

    def neighbours(self) -> dict[str, Any]:
        """Create what is none of m2s's business: another owner's deployment and a foreign one."""
        self.add("rose", stage="Production")
        admin = ("--kubeconfig", str(self.server.kubeconfig(namespace=self.objects.name)))
        where = ("--tracking-uri", self.mlflow.uri, *admin)
        assert m2s("apply", "--stage", "Production", *where, "--no-preflight").code == 0
        self.objects.create(seldon("foreign"))
        return {name: self.objects.all()[name] for name in ("rose", "foreign")}

    def plan_as_user(self) -> int:
        """The code of ``m2s plan --detailed-exitcode`` with the release's settings and account."""
        config = ("--config", str(self.config), "--tracking-uri", self.mlflow.uri)
        login = ("--kubeconfig", str(self.account.kubeconfig(self.server.url)))
        return m2s("plan", *config, *login, "--detailed-exitcode").code

    @cached_property
    def config(self) -> Path:
        """The release's m2s.yaml."""
        path = self.account.mount / "m2s.yaml"
        path.write_text(self.account.release.config)
        return path

    def writes(self, method: str) -> list[tuple[str, str]]:
        """Return which deployment m2s wrote to, and with which token, in this order."""
        asked = self._written(method)
        return [(name, request.headers["authorization"].split()[1]) for name, request in asked]

    def deleted(self) -> list[tuple[str, str]]:
        """Return the name and the demanded uid of each deletion that m2s asked for."""
        asked = self._written("DELETE")
        return [(name, json.loads(each.body)["preconditions"]["uid"]) for name, each in asked]

    def _written(self, method: str) -> Iterator[tuple[str, Recorded]]:
        for request in list(self.proxy.requests):
            if request.method == method and (found := re.search(OURS, request.path)):
                yield found["name"], request

    def passes(self) -> int:
        """How many passes have read the cluster."""
        return self.proxy.count("GET", PASS)

    @contextmanager
    def usurped(self) -> Iterator[None]:
        """Have another holder write itself into the Lease, and let go of it at the end."""
        name = "m2s-stage-staging"
        leases = CoordinationV1Api(self.server.admin)

        def hold(holder: str, seconds: int) -> None:
            spec = {"holderIdentity": holder, "leaseDurationSeconds": seconds}
            leases.patch_namespaced_lease(name, self.objects.name, {"spec": spec})

        hold("somebody-else", 3600)
        yield
        hold("", 1)


@dataclass(frozen=True)
class Controller:
    """The process, and what it shows on its port."""

    watch: Watch
    url: str

    def page(self, path: str) -> str:
        """Return a page that is answered with 200."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    def value(self, name: str, **labels: str) -> float:
        """Return one number of /metrics, 0 where there is none."""
        families = text_string_to_metric_families(self.page("/metrics"))
        samples = [sample for family in families for sample in family.samples]
        return sum(float(s.value) for s in samples if (s.name, s.labels) == (name, labels))


def controller(day: Day, start: Callable[..., Watch], *argv: str) -> Controller:
    """Start m2s as the Pod does, on a port of the test's own."""
    address = f"127.0.0.1:{free_port()}"
    environment = {
        **day.account.environment(day.proxy.url),
        "MLFLOW_TRACKING_URI": day.mlflow.uri,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }
    flags = ("--config", str(day.config), "--listen", address, *argv)
    watch = start(*flags, program=day.account.program, **environment)
    return Controller(watch, f"http://{address}")
