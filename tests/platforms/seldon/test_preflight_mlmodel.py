"""Looking at MLmodel files: once each, and never for long."""

from __future__ import annotations

from collections.abc import Callable

import mlflow
import pytest

from m2s.domain.versions import MlModel, Unchecked
from m2s.sources.mlflow.registry import MlflowRegistry
from tests.servers import FaultProxy, MlflowServer
from tests.servers.storage import GoogleStorage

MLMODEL = "flavors:\n  python_function:\n    python_version: 3.11.7\nmlflow_version: 2.22.0\n"


def test_an_mlmodel_file_is_read_once_in_a_process(
    mlflow_server: MlflowServer, fault_proxy: Callable[..., FaultProxy]
) -> None:
    api = mlflow.MlflowClient(mlflow_server.uri, mlflow_server.uri)
    run = api.create_run("0").info
    api.log_text(run.run_id, MLMODEL, "model/MLmodel")
    proxy = fault_proxy(mlflow_server)
    registry = MlflowRegistry(proxy.uri)
    folder = f"{run.artifact_uri}/model"
    found = MlModel(("python_function",), "2.22.0", "3.11.7")
    assert registry.mlmodel(folder) == found
    asked = len(proxy.requests)
    assert registry.mlmodel(folder) == found
    assert len(proxy.requests) == asked


@pytest.mark.thorough
def test_a_store_that_keeps_silent_is_not_waited_for_again(
    google_storage: GoogleStorage,
    sqlite_registry: str,
    fault_proxy: Callable[..., FaultProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = fault_proxy(google_storage)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
    gate = proxy.hold(path="/o\\?")
    registry = MlflowRegistry(sqlite_registry, request_timeout=1)
    first, second = (registry.mlmodel(f"gs://silent/{name}") for name in ("first", "second"))
    gate.set()
    assert first == Unchecked("cannot list gs://silent/first: no answer within 1 s")
    assert second == Unchecked("cannot list gs://silent/second: no answer within 1 s")
    assert proxy.count(path="second") == 0
