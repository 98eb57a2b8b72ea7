"""Law: an answer counts only if it names what was asked for, and credentials go to one server."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from mlflow import MlflowClient

from m2s.domain.versions import MlModel, ModelVersion, Unreadable
from m2s.sources.mlflow.registry import MlflowRegistry
from tests.kits.registry_kit import DEPLOY, described, unreadable
from tests.servers import FaultProxy, MlflowServer, Upstream

Proxied = Callable[[Upstream], FaultProxy]
TOKEN = "the-tokens-secret"


@pytest.fixture
def version(mlflow_server: MlflowServer) -> ModelVersion:
    """A version whose run has a deploy.yaml; only its source is the test's."""
    client = MlflowClient(mlflow_server.uri)
    run = client.create_run("0").info.run_id
    client.log_text(run, DEPLOY, "deploy.yaml")
    client.log_text(run, DEPLOY, "model/deploy.yaml")
    client.log_text(run, "flavors: {}", "model/MLmodel")
    return ModelVersion("answers", 1, run_id=run, source="s3://bucket/model")


def logged(version: ModelVersion, source: str) -> ModelVersion:
    """The same without a run, its model somewhere else."""
    return ModelVersion("answers", 1, source=source.format(run=version.run_id))


@pytest.mark.parametrize("answer", [{}, {"run": {}}, {"run": {"info": {"run_id": "another"}}}])
def test_a_run_that_is_not_the_one_asked_for_is_an_error(
    answer: dict[str, object],
    version: ModelVersion,
    mlflow_server: MlflowServer,
    fault_proxy: Proxied,
) -> None:
    proxy = fault_proxy(mlflow_server)
    proxy.answer(200, answer, path="runs/get")
    proxy.answer(200, {"model_version": {"name": "answers", "version": "1"}}, path="versions/get")
    assert f"the answer about the run {version.run_id} is about" in unreadable(proxy.uri, version)


def test_a_logged_model_that_is_not_the_one_asked_for_is_an_error(
    mlflow_server: MlflowServer, fault_proxy: Proxied
) -> None:
    proxy = fault_proxy(mlflow_server)
    proxy.answer(200, {}, path="logged-models/")
    proxy.answer(200, {"model_version": {"name": "answers", "version": "1"}}, path="versions/get")
    found = unreadable(proxy.uri, ModelVersion("answers", 1, source="models:/m-1"))
    assert "the answer about the logged model m-1 is about ''" in found


SOURCES = [
    "mlflow-artifacts://{host}/0/{{run}}/artifacts/model",
    "http://{host}/api/2.0/mlflow-artifacts/artifacts/0/{{run}}/artifacts/model",
]


@pytest.mark.parametrize("source", SOURCES)
def test_another_server_is_read_without_credentials(
    source: str,
    version: ModelVersion,
    mlflow_server: MlflowServer,
    fault_proxy: Proxied,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
    other = fault_proxy(mlflow_server)
    host = other.url.removeprefix("http://")
    there = logged(version, source.format(host=host))
    assert described(mlflow_server.uri, there).file
    found = MlflowRegistry(mlflow_server.uri).mlmodel(described(mlflow_server.uri, there).uri)
    assert found == MlModel()
    assert other.count(path="mlflow-artifacts/artifacts\\?") >= 2
    assert other.count(path="mlflow-artifacts/artifacts/.*deploy.yaml") >= 1
    assert not [each for each in other.requests if "Authorization" in each.headers]


@pytest.mark.parametrize("source", SOURCES)
def test_the_tracking_server_is_read_with_credentials(
    source: str,
    version: ModelVersion,
    mlflow_server: MlflowServer,
    fault_proxy: Proxied,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
    proxy = fault_proxy(mlflow_server)
    there = logged(version, source.format(host=proxy.url.removeprefix("http://")))
    assert described(proxy.uri, there).file
    assert {each.headers.get("Authorization") for each in proxy.requests} == {f"Bearer {TOKEN}"}


def test_another_server_that_wants_credentials_is_said(
    version: ModelVersion,
    mlflow_server: MlflowServer,
    fault_proxy: Proxied,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "somebody")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", TOKEN)
    proxy, other = fault_proxy(mlflow_server), fault_proxy(mlflow_server)
    proxy.answer(200, {"model_version": {"name": "answers", "version": "1"}}, path="versions/get")
    for status, headers in ((401, {}), (302, {"Location": proxy.url})):
        other.answer(status, b"", headers, path="artifacts", times=1)
        there = logged(version, other.url.replace("http:", "mlflow-artifacts:") + "/0/{run}")
        found = MlflowRegistry(proxy.uri).describe(there)
        assert isinstance(found, Unreadable)
        refused = f"it answers {status}; no credentials are sent there"
        assert ("which m2s does not follow" if status == 302 else refused) in found.reason
    secret = base64.b64encode(f"somebody:{TOKEN}".encode()).decode()
    assert all(secret not in str(each.headers) for each in other.requests)


@pytest.mark.parametrize("body", ["[]", "{", '{"files": [{}]}', '{"files": 1}', '"x"'])
def test_another_server_that_answers_nonsense_is_an_error(
    body: str, version: ModelVersion, mlflow_server: MlflowServer, fault_proxy: Proxied
) -> None:
    proxy, other = fault_proxy(mlflow_server), fault_proxy(mlflow_server)
    proxy.answer(200, {"model_version": {"name": "answers", "version": "1"}}, path="versions/get")
    other.answer(200, body, path="artifacts")
    there = logged(version, other.url.replace("http:", "mlflow-artifacts:") + "/0/{run}")
    assert "the answer is no listing of MLflow's" in unreadable(proxy.uri, there)
