"""Fixtures: real servers, each documented where it is defined; the code is in tests/servers."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hypothesis
import pytest

from tests.controlplane import assets
from tests.generations import NO_MLFLOW
from tests.kits.descriptors import spare
from tests.servers import ApiServer, FaultProxy, MlflowServer, Upstream, sqlite_uri
from tests.servers.crd import STAND_IN, crd_path
from tests.servers.mlflowserver import make_template

# Read by mlflow when it is imported, and inherited by every process that a test starts.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

pytest_plugins = (
    "tests.kits.worlds",
    "tests.kits.chart_kit",
    "tests.kits.faulty_cluster",
    "tests.kits.stores",
    "tests.kits.watch_kit",
    "tests.kits.answering",
    "tests.kits.asking_kit",
    "tests.kserve.fixtures",
    "tests.pods.fixtures",
)

if os.environ.get("M2S_TEST_QUICK") == "1":
    hypothesis.settings.register_profile("quick", max_examples=10, deadline=None)
    hypothesis.settings.load_profile("quick")


_OUR_OWN = {
    "M2S_REQUIRE_CLUSTER",
    "M2S_SELDON_CRD",
    "M2S_SOAK_LOG",
    "M2S_TEST_CASES",
    "M2S_TEST_QUICK",
    "MLFLOW_DISABLE_TELEMETRY",
}
_STORES = ("XDG_CACHE_HOME", "AWS_", "AZURE_", "GOOGLE_", "STORAGE_EMULATOR_HOST")
_FOREIGN = ("MLFLOW_", "M2S_", "KUBECONFIG", "KUBERNETES_SERVICE_", "NO_COLOR", "FORCE_COLOR")
NO_CLUSTER = "no cluster: "
_CLUSTER = {"api_server_binaries"}
_NO_CASES = SimpleNamespace(indices={})
_SERVER = {"mlflow_template", "s3", "azurite", "google_storage", "helm"}


# To look through all that imports make, over and over, is a third of the time of a collection.
gc.disable()


def pytest_collection_finish() -> None:
    """Leave alone what is there by now, which stays, and look less often at the rest."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out all but the first cases of a long table, where ``make test-quick`` runs them all.

    What is named on its command line (ARGS) is run with every case; so is everything by
    ``make test``.
    """
    most = int(os.environ.get("M2S_TEST_CASES") or 0)
    if not most:
        return
    seen: Counter[str] = Counter()
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        table = item.nodeid.partition("[")[0]
        seen[table] += 1
        (kept if seen[table] <= most else left).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what needs an API server as ``cluster``; that, and any other server, as ``server``.

    A registry in a database is MLflow's server in this process. A test that asks for a server by a
    parameter, or starts one itself, says so with the mark. Of a table of cases that need a server
    ``make test`` tries the first; the others are ``thorough``, for ``make test-all`` and CI.
    """
    wanted = set(getattr(item, "fixturenames", ()))
    if wanted & _CLUSTER:
        item.add_marker("cluster")
    if wanted & _SERVER or item.get_closest_marker("cluster"):
        item.add_marker("server")
        if any(getattr(item, "callspec", _NO_CASES).indices.values()):
            item.add_marker("thorough")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any) -> None:
    """No test sees the caller's settings of MLflow, stores, clusters and m2s, nor their home."""
    for name in [name for name in os.environ if name.startswith((*_FOREIGN, *_STORES))]:
        if name not in _OUR_OWN:
            monkeypatch.delenv(name)
    home = tmp_path_factory.getbasetemp() / "home"
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(home))
    # Without credentials a storage client would ask the cloud's metadata server, for seconds.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(autouse=True)
def nobody_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands in this process do not say whom they wait for: on a busy machine that is chance."""
    monkeypatch.setattr("m2s.base.waiting.AFTER", 600.0)


@pytest.fixture(autouse=True)
def few_descriptors() -> Iterator[None]:
    """No worker runs out of descriptors."""
    yield
    spare()


@pytest.fixture(scope="session")
def api_server_binaries() -> Path:
    """The folder with kube-apiserver and etcd; skips, or with M2S_REQUIRE_CLUSTER=1 fails."""
    found = assets.find()
    if found is None and os.environ.get("M2S_REQUIRE_CLUSTER") == "1":
        pytest.fail(NO_CLUSTER + assets.HINT)
    if found is None:
        pytest.skip(NO_CLUSTER + assets.HINT)
    return found


@pytest.fixture(scope="session")
def api_server(
    api_server_binaries: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiServer]:
    """The API server that tests share; a test that stops it uses ``own_api_server`` instead."""
    server = ApiServer(api_server_binaries, tmp_path_factory.mktemp("api-server"))
    yield server
    server.close()


@pytest.fixture
def own_api_server(
    api_server_binaries: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiServer]:
    """A fresh API server for one test, which may stop and start it; takes some five seconds."""
    server = ApiServer(api_server_binaries, tmp_path_factory.mktemp("own-api-server"))
    yield server
    server.close()


@pytest.fixture
def namespace(api_server: ApiServer) -> str:
    """The name of a fresh namespace on ``api_server``."""
    return api_server.namespace()


@pytest.fixture
def kubeconfig(api_server: ApiServer, namespace: str) -> Path:
    """The administrator's kubeconfig, with ``namespace`` as its context's namespace."""
    return api_server.kubeconfig(namespace=namespace)


@pytest.fixture(scope="session")
def mlflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with MLflow's schema, to be copied: its migrations take four seconds."""
    return make_template(tmp_path_factory.mktemp("mlflow-template"))


@pytest.fixture
def sqlite_registry(mlflow_template: Path, tmp_path: Path) -> str:
    """The ``sqlite:///`` tracking URI of an empty registry with local artifacts; takes no time."""
    folder = tmp_path / "registry"
    folder.mkdir()
    return sqlite_uri(mlflow_template, folder)


@pytest.fixture(scope="session")
def mlflow_server(
    mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MlflowServer]:
    """The MLflow server that tests share: use model names of your own, and do not stop it."""
    server = MlflowServer(mlflow_template, tmp_path_factory.mktemp("mlflow-server"))
    yield server
    server.stop()


@pytest.fixture
def mlflow_server_factory(
    mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., MlflowServer]]:
    """Start MLflow servers with empty registries, six seconds each; arguments as MlflowServer's."""
    with ExitStack() as stack:

        def start(**options: Any) -> MlflowServer:
            folder = tmp_path_factory.mktemp("own-mlflow-server")
            server = MlflowServer(mlflow_template, folder, **options)
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture
def fault_proxy() -> Iterator[Callable[[Upstream], FaultProxy]]:
    """Put a FaultProxy in front of an ApiServer or MlflowServer: ``fault_proxy(api_server)``."""
    with ExitStack() as stack:

        def start(upstream: Upstream) -> FaultProxy:
            proxy = FaultProxy(upstream)
            stack.callback(proxy.close)
            return proxy

        yield start


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what the tests ran against, and loudly when there was no API server."""
    crd = crd_path()
    note = " (a stand-in; M2S_SELDON_CRD names Seldon Core's own)" if crd == STAND_IN else ""
    terminalreporter.write_line(f"Seldon CRD: {crd}{note}")
    outcomes = terminalreporter.stats
    reports = [*outcomes.get("skipped", ()), *outcomes.get("error", ())]
    for missing in sorted({str(report.longrepr) for report in reports}):
        if NO_MLFLOW in missing:
            terminalreporter.section("A GENERATION OF MLFLOW WAS NOT TESTED", sep="!", red=True)
            terminalreporter.write_line(missing.partition(NO_MLFLOW)[2].rstrip("')"))
    missed = sum(NO_CLUSTER in str(report.longrepr) for report in reports)
    if missed:
        terminalreporter.section("NOT TESTED AGAINST A CLUSTER", sep="!", red=True, bold=True)
        terminalreporter.write_line(f"{missed} tests did not run: {assets.HINT}")
    elif folder := assets.find():
        terminalreporter.write_line(f"kube-apiserver and etcd: {folder}")
