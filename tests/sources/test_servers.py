"""The servers that other tests stand on do what their docstrings promise."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tests.kits.worlds import Namespace
from tests.servers import ApiServer, FaultProxy, MlflowServer, interruptible, kubernetes_status
from tests.servers.apiserver import SELDON_EDIT
from tests.servers.mlflowserver import ADMIN

SELDON = ("machinelearning.seldon.io", "v1")


def seldon(kubeconfig: Path) -> Any:
    """A client as a user's kubeconfig makes it, without urllib3's own retries."""
    configuration = client.Configuration()
    config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    configuration.retries = 0
    return client.CustomObjectsApi(client.ApiClient(configuration))


def deployment(name: str, **predictor: Any) -> dict[str, Any]:
    """The smallest SeldonDeployment."""
    predictors = [{"name": "default", "graph": {"name": "m"}, **predictor}]
    head = {"apiVersion": "/".join(SELDON), "kind": "SeldonDeployment"}
    return {**head, "metadata": {"name": name}, "spec": {"predictors": predictors}}


def test_api_server_defaults_by_the_crd(kubeconfig: Path, namespace: str) -> None:
    container = {"name": "c", "ports": [{"containerPort": 9000}]}
    body = deployment("d", componentSpecs=[{"spec": {"containers": [container]}}])
    made = seldon(kubeconfig).create_namespaced_custom_object(
        *SELDON, namespace, "seldondeployments", body
    )
    spec = made["spec"]["predictors"][0]["componentSpecs"][0]["spec"]
    assert spec["containers"][0]["ports"] == [{"containerPort": 9000, "protocol": "TCP"}]


def test_api_server_knows_pods_and_the_graph_as_seldon_cores_definition_does(
    kubeconfig: Path, namespace: str
) -> None:
    """Whichever of the two it has."""
    api = seldon(kubeconfig)

    def refused(**predictor: Any) -> str:
        with pytest.raises(client.ApiException) as answer:
            api.create_namespaced_custom_object(
                *SELDON, namespace, "seldondeployments", deployment("d", **predictor),
                field_validation="Strict",
            )  # fmt: skip
        return str(json.loads(str(answer.value.body))["message"])

    def pod(**spec: Any) -> str:
        return refused(componentSpecs=[{"spec": {"containers": [{"name": "c"}], **spec}}])

    assert "tolerations[0].efect" in pod(tolerations=[{"efect": "NoSchedule"}])
    assert "containers[0].env[0].name" in pod(containers=[{"name": "c", "env": [{}]}])
    many = {"name": "c", "resources": {"limits": {"cpu": "many"}}}
    assert "containers[0].resources.limits.cpu" in pod(containers=[many])
    typo = {"name": "n", "modelURI": "s3://b/m"}
    assert "children[0].children[0].modelURI" in refused(
        graph={"name": "m", "children": [{"name": "n", "children": [typo]}]}
    )
    assert "explainer.containerSpec.imag" in refused(
        explainer={"containerSpec": {"name": "c", "imag": "i"}}
    )


def test_two_managers_cannot_share_a_list_of_pods(api_server: ApiServer, namespace: str) -> None:
    """Predictors are one field, and so is what is in them."""
    container = {"name": "c", "env": [{"name": "A", "value": "1"}]}
    body = deployment("d", componentSpecs=[{"spec": {"containers": [container]}}])
    made = Namespace(api_server, namespace).create(body)
    (entry,) = made["metadata"]["managedFields"]
    assert entry["fieldsV1"]["f:spec"] == {".": {}, "f:predictors": {}}


def test_a_process_can_be_interrupted_where_the_tests_cannot() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruptible():
            process = subprocess.Popen(["sleep", "60"])
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == -signal.SIGINT
    finally:
        signal.signal(signal.SIGINT, before)


def test_user_may_do_what_its_rules_say_and_no_more(api_server: ApiServer, namespace: str) -> None:
    reader = api_server.user(namespace, [{**SELDON_EDIT, "verbs": ["list"]}])
    api = seldon(api_server.kubeconfig(reader, namespace=namespace))
    assert api.list_namespaced_custom_object(*SELDON, namespace, "seldondeployments")["items"] == []
    with pytest.raises(client.ApiException) as refused:
        api.create_namespaced_custom_object(
            *SELDON, namespace, "seldondeployments", deployment("d")
        )
    assert refused.value.status == 403


@pytest.mark.slow
def test_api_server_keeps_its_data_over_an_outage(own_api_server: ApiServer) -> None:
    namespace = own_api_server.namespace()
    own_api_server.stop()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(own_api_server.url)
    own_api_server.start()
    assert own_api_server.call("GET", f"/api/v1/namespaces/{namespace}")["kind"] == "Namespace"


def test_proxy_spoils_the_chosen_requests_only(
    api_server: ApiServer, namespace: str, fault_proxy: Callable[..., FaultProxy]
) -> None:
    proxy = fault_proxy(api_server)
    proxy.answer(
        429,
        kubernetes_status(429, "TooManyRequests", "later"),
        {"Retry-After": "1"},
        method="GET",
        path="seldondeployments$",
        after=1,
        times=1,
    )
    api = seldon(api_server.kubeconfig(server=proxy.url))
    where = (*SELDON, namespace, "seldondeployments")
    assert api.list_namespaced_custom_object(*where)["items"] == []
    with pytest.raises(client.ApiException) as refused:
        api.list_namespaced_custom_object(*where)
    assert refused.value.headers is not None
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "1")
    assert json.loads(refused.value.body or "")["reason"] == "TooManyRequests"
    assert api.list_namespaced_custom_object(*where)["items"] == []
    assert proxy.count("GET", "seldondeployments") == 3


def test_proxy_cuts_the_line_after_the_server_did_its_work(
    api_server: ApiServer, namespace: str, fault_proxy: Callable[..., FaultProxy]
) -> None:
    proxy = fault_proxy(api_server)
    proxy.cut_answer(method="POST", times=1)
    api = seldon(api_server.kubeconfig(server=proxy.url))
    where = (*SELDON, namespace, "seldondeployments")
    with pytest.raises(Exception, match=r"(?i)connection"):
        api.create_namespaced_custom_object(*where, deployment("d"))
    assert len(api.list_namespaced_custom_object(*where)["items"]) == 1


def test_proxy_holds_a_request_until_told(
    mlflow_server: MlflowServer, fault_proxy: Callable[..., FaultProxy]
) -> None:
    proxy = fault_proxy(mlflow_server)
    gate = proxy.hold(path="registered-models", times=1)
    with pytest.raises(TimeoutError):
        urllib.request.urlopen(f"{proxy.url}/api/2.0/mlflow/registered-models/search", timeout=0.2)
    gate.set()
    assert MlflowClient(proxy.uri).search_registered_models() is not None


def test_sqlite_registry_is_empty_and_keeps_artifacts_beside_it(
    sqlite_registry: str, tmp_path: Path
) -> None:
    registry = MlflowClient(sqlite_registry)
    assert registry.search_registered_models() == []
    run = registry.create_run("0")
    registry.log_text(run.info.run_id, "text", "a.txt")
    assert list((tmp_path / "registry" / "artifacts").rglob("a.txt"))


def test_mlflow_server_proxies_artifacts(mlflow_server: MlflowServer) -> None:
    registry = MlflowClient(mlflow_server.uri)
    run = registry.create_run("0")
    registry.log_text(run.info.run_id, "text", "a.txt")
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/0/")
    assert [file.path for file in registry.list_artifacts(run.info.run_id)] == ["a.txt"]


@pytest.mark.slow
def test_mlflow_server_with_basic_auth_wants_a_password(
    mlflow_server_factory: Callable[..., MlflowServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = mlflow_server_factory(basic_auth=True)
    with pytest.raises(MlflowException, match="not authenticated"):
        MlflowClient(server.uri).search_registered_models()
    name, password = ADMIN
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    assert MlflowClient(server.uri).search_registered_models() == []
