"""What a run costs in requests, counted at both servers."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from m2s.base.gate import Gate
from m2s.base.labels import REGISTRY
from m2s.cli import connect
from m2s.settings.build import build
from m2s.settings.groups import Settings
from m2s.watch.absences import Absences
from m2s.watch.passes import Edges, Pass
from tests.kits.support import Models, Result, description, m2s
from tests.kits.worlds import Namespace
from tests.servers import ApiServer, FaultProxy, MlflowServer

_numbers = itertools.count(1)
MODELS = 5
MLMODEL = "flavors: {python_function: {python_version: 3.11.9}}\nmlflow_version: 3.1.0\n"
ENDPOINTS = {
    "versions": r"model-versions/search",
    "paused": r"registered-models/search\?.*filter=tags",
    "model": r"registered-models/get",
    "models": r"registered-models/search",
    "run": r"runs/get",
    "artifact list": r"mlflow-artifacts/artifacts\?",
    "artifact": r"mlflow-artifacts/artifacts/",
    "list": r"seldondeployments\?limit",
    "get": r"^GET .*seldondeployments/",
    "preview": r"PATCH .*dryRun=All",
    "apply": r"^PATCH (?!.*dryRun)",
    "secret": r"/secrets/",
    "namespace": r"/api/v1/namespaces/[^/]*$",
}


@dataclass
class Shop:
    """Models of the test's own in Staging, and a namespace; both behind proxies."""

    models: Models
    objects: Namespace
    mlflow: FaultProxy
    kubernetes: FaultProxy
    prefix: str
    flags: dict[str, str]

    def add(self, name: str, deploy: str = "") -> None:
        """Register a version of a model that was logged with its run."""
        client, model = self.models.client, f"{self.prefix}-{name}"
        identity = client.create_run("0").info.run_id
        secret = description(model).replace(
            "modelUri:", "envSecretRefName: bucket\n      modelUri:"
        )
        client.log_text(identity, deploy or secret, "deploy.yaml")
        client.log_text(identity, MLMODEL, "model/MLmodel")
        with contextlib.suppress(Exception):
            client.create_registered_model(model)
        source = f"mlflow-artifacts:/0/{identity}/artifacts/model"
        made = client.create_model_version(model, source, identity, await_creation_for=0)
        self.models.move(model, int(made.version), "Staging")

    def __call__(self, command: str, *argv: str) -> Result:
        """Run a command and have it succeed."""
        given = [text for name, value in self.flags.items() for text in (f"--{name}", value)]
        result = m2s(command, *given, *argv)
        assert result.code == 0, result
        return result

    def asked(self) -> Counter[str]:
        """What was asked of both since the last time."""
        lines = [
            f"{request.method} {request.path}"
            for proxy in (self.mlflow, self.kubernetes)
            for request in proxy.requests
        ]
        self.mlflow.requests.clear()
        self.kubernetes.requests.clear()
        counts = Counter(_endpoint(line) for line in lines)
        if "models" in counts:
            counts["models"] = 1  # more when other tests changed more than a page of models
        return counts

    @property
    def settings(self) -> Settings:
        return build(self.flags, {})


def _endpoint(line: str) -> str:
    return next((name for name, found in ENDPOINTS.items() if re.search(found, line)), line)


@pytest.fixture(scope="module")
def mlflow_server(
    mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MlflowServer]:
    """A server of this module's own: what a quiet pass lists follows what changed lately there."""
    server = MlflowServer(mlflow_template, tmp_path_factory.mktemp("own-mlflow-server"))
    yield server
    server.stop()


@pytest.fixture
def shop(
    mlflow_server: MlflowServer,
    api_server: ApiServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shop]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with (
        contextlib.closing(FaultProxy(mlflow_server)) as mlflow,
        contextlib.closing(FaultProxy(api_server)) as kubernetes,
    ):
        namespace, prefix = api_server.namespace(), f"counted{next(_numbers)}"
        secret = {"metadata": {"name": "bucket"}, "stringData": {"RCLONE_CONFIG_S3_TYPE": "s3"}}
        api_server.call("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)
        flags = {
            "stage": "Staging",
            "model": f"{prefix}-*",
            "tracking-uri": mlflow.url,
            "kubeconfig": str(api_server.kubeconfig(server=kubernetes.url)),
            "namespace": namespace,
            "model-uri-map": "mlflow-artifacts:/=s3://bucket",
        }
        models = Models(mlflow_server.uri, mlflow_server.database)
        shop = Shop(models, Namespace(api_server, namespace), mlflow, kubernetes, prefix, flags)
        for number in range(MODELS):
            shop.add(str(number))
        yield shop


EACH = {"run": 1, "artifact list": 2, "artifact": 2}
"""What a version costs the first time: its run, its deploy.yaml and its model's MLmodel."""
LOOK = {"versions": 1, "paused": 1, "list": 1, "secret": 1}
"""What every run costs, whatever there is: a page of each side, and each Secret once."""


def cold(versions: int) -> Counter[str]:
    return Counter({name: count * versions for name, count in EACH.items()})


def test_a_plan_in_sync_asks_for_the_listings_and_nothing_else(shop: Shop) -> None:
    shop("plan")
    assert shop.asked() == cold(MODELS) + Counter({**LOOK, "preview": MODELS, "namespace": 1})
    shop("apply")
    writes = {"preview": MODELS, "apply": MODELS, "namespace": 1}
    assert shop.asked() == Counter({**LOOK, **writes})
    for command in ("plan", "apply"):
        shop(command)
        assert shop.asked() == LOOK


@pytest.mark.thorough
def test_one_change_costs_its_own_requests_and_no_others(shop: Shop) -> None:
    shop("apply")
    shop.asked()
    shop.add("1", description(f"{shop.prefix}-1", replicas=3))
    shop("apply")
    # It names no Secret, the others do.
    assert shop.asked() == cold(1) + Counter({**LOOK, "preview": 1, "model": 1, "apply": 1})


@pytest.mark.thorough
def test_what_an_older_m2s_wrote_costs_no_more(shop: Shop) -> None:
    """It has no note of its registry, and gets none by a change of its own."""
    shop("apply")
    for number in range(MODELS):
        gone = {"metadata": {"annotations": {REGISTRY: None}}}
        shop.objects.patch(f"{shop.prefix}-{number}", gone)
    before = shop.objects.snapshot()
    for command in ("plan", "apply"):
        shop.asked()
        shop(command)
        assert shop.asked() == LOOK
    assert shop.objects.snapshot() == before


@pytest.mark.thorough
def test_drift_costs_one_preview_a_second_look_and_one_write(shop: Shop) -> None:
    shop("apply")
    shop.asked()
    shop.objects.patch(f"{shop.prefix}-1", {"metadata": {"labels": {"m2s.io/version": "7"}}})
    shop("apply")
    assert shop.asked() == Counter({**LOOK, "preview": 1, "model": 1, "apply": 1})


@pytest.fixture
def watching(shop: Shop) -> Edges:
    registry = connect.registry(shop.settings).incremental(600)
    return Edges(registry, connect.cluster(shop.settings))


def one_pass(shop: Shop, edges: Edges) -> Counter[str]:
    """What a pass of watch asks; it succeeds."""
    shop.asked()
    report = Pass(edges, shop.settings, Absences(), "interval", Gate()).make()
    assert report.result == "success", report
    return shop.asked()


@pytest.mark.thorough
def test_what_passes_of_watch_cost(shop: Shop, watching: Edges) -> None:
    first = one_pass(shop, watching)
    writes = {"preview": MODELS, "apply": MODELS, "namespace": 1}
    assert first == cold(MODELS) + Counter({**LOOK, "models": 1, **writes})
    one_pass(shop, watching)
    quiet = Counter({"models": 1, "paused": 1, "list": 1, "secret": 1})
    assert one_pass(shop, watching) == quiet
    shop.add("1", description(f"{shop.prefix}-1", replicas=3))
    changed = cold(1) + Counter({"versions": 1, "preview": 1, "model": 1, "apply": 1})
    assert one_pass(shop, watching) == quiet + changed
    assert one_pass(shop, watching) == quiet + Counter({"versions": 1})
    assert one_pass(shop, watching) == quiet
