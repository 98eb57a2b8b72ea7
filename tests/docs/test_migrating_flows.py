"""What both predecessors document, done with m2s on a real MLflow and a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient

from tests.kits.support import Models, Result, m2s
from tests.kits.worlds import Namespace
from tests.servers import ApiServer, MlflowServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "neuro-init-container.yaml"
NO_STORE = "--no-preflight"  # the buckets are made up
RUN_ROOT = "/usr/local/share/mlruns/0"

# As in mlflow-deployment-controller's notebook.
DEPLOY = """\
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata:
  name: mlflow
  labels:
    app.kubernetes.io/managed-by: mlflow-seldon
    app.kubernetes.io/name: mlflow
spec:
  name: iris
  predictors:
  - componentSpecs:
    - spec:
        containers:
        - name: classifier
          livenessProbe:
            initialDelaySeconds: 800
            failureThreshold: 20000000
            periodSeconds: 25
            httpGet: {path: /health/ping, port: http, scheme: HTTP}
    graph:
      children: []
      implementation: MLFLOW_SERVER
      modelUri:
      logger: {url: "http://broker/demo/default", mode: all}
      name: classifier
    name: default
    replicas: 1
"""


def node(name: str, model: str) -> dict[str, Any]:
    """Return a graph node as in its document on GitOps."""
    return {
        "name": name,
        "modelUri": f'{{{{ mlflow.blob["{model}"] }}}}',
        "envSecretRefName": "seldon-rclone-secret",
        "implementation": "MLFLOW_SERVER",
        "type": "MODEL",
        "children": [],
    }


def planned(result: Result) -> dict[str, str]:
    return {name: change["action"] for name, change in result.changes.items()}


@pytest.fixture
def models(mlflow_server: MlflowServer) -> Iterator[Models]:
    """The shared server; what a test has registered leaves its stage in the end."""
    filled = Models(mlflow_server.uri, mlflow_server.database)
    before = {model.name for model in filled.client.search_registered_models()}
    yield filled
    for model in filled.client.search_registered_models():
        if model.name not in before:
            filled.delete(model.name)


@pytest.mark.thorough
def test_a_model_with_a_deploy_yaml_is_served_stage_by_stage(
    models: Models, api_server: ApiServer
) -> None:
    spaces = {stage: Namespace(api_server, api_server.namespace()) for stage in STAGES}
    models.add("migrating iris", DEPLOY, stage="Staging", source="gs://hellomlops/1/model")
    cluster = ("--kubeconfig", str(api_server.kubeconfig()), "--model", "migrating*", NO_STORE)

    def run(command: str, stage: str, *argv: str) -> Result:
        where = ("--stage", stage, "-n", spaces[stage].name, "--tracking-uri", models.uri)
        return m2s(command, *where, *cluster, *argv)

    assert run("apply", "Staging").code == 0
    assert planned(run("plan", "Staging", "-o", "json")) == {"mlflow": "unchanged"}
    body = spaces["Staging"].all()["mlflow"]
    predictor = body["spec"]["predictors"][0]
    assert predictor["graph"]["modelUri"] == "gs://hellomlops/1/model"
    probe = predictor["componentSpecs"][0]["spec"]["containers"][0]["livenessProbe"]
    assert probe["initialDelaySeconds"] == 800
    assert body["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "m2s"
    models.move("migrating iris", 1, "Production")
    assert run("apply", "Production").code == 0
    assert list(spaces["Production"].all()) == ["mlflow"]
    assert planned(run("plan", "Staging", "-o", "json")) == {"mlflow": "delete"}


STAGES = ("Staging", "Production")


@pytest.mark.thorough
def test_a_stage_is_kept_up_while_models_come_and_go(models: Models, api_server: ApiServer) -> None:
    spaces = {stage: Namespace(api_server, api_server.namespace()) for stage in STAGES}
    cluster = ("--kubeconfig", str(api_server.kubeconfig()), "--model", "coming*", NO_STORE)
    passes = ("--once", "--policy", "sync", "--prune-after", "1")

    def kept_up() -> dict[str, dict[str, str]]:
        """Let each stage's controller make a pass; nothing is in its way, or left to do."""
        for stage, space in spaces.items():
            where = ("--stage", stage, "-n", space.name, "--tracking-uri", models.uri, *cluster)
            assert m2s("watch", *where, *passes).code == 0
            left = planned(m2s("plan", *where, "-o", "json"))
            assert set(left.values()) <= {"unchanged"}, left
        return {stage: versions(space) for stage, space in spaces.items()}

    def promote(model: str, stage: str, version: int = 0) -> None:
        text = DEPLOY.replace("name: mlflow\n", f"name: {model}\n", 1)
        source = f"gs://hellomlops/{model}/model"
        number = version or models.add(f"coming {model}", text, stage=None, source=source)
        models.move(f"coming {model}", number, stage)

    for model in ("iris", "wine", "rye"):
        promote(model, "Staging")
    assert kept_up() == {"Staging": {"iris": "1", "wine": "1", "rye": "1"}, "Production": {}}
    promote("iris", "Production", 1)
    promote("wine", "Staging")
    assert kept_up() == {"Staging": {"wine": "2", "rye": "1"}, "Production": {"iris": "1"}}
    promote("wine", "Production", 2)
    promote("wine", "Staging", 1)
    promote("iris", "Staging")
    moved = {"Staging": {"iris": "2", "wine": "1", "rye": "1"}}
    assert kept_up() == {**moved, "Production": {"iris": "1", "wine": "2"}}
    models.move("coming wine", 2, "Archived")
    models.delete("coming rye")
    assert kept_up() == {"Staging": {"iris": "2", "wine": "1"}, "Production": {"iris": "1"}}


def versions(space: Namespace) -> dict[str, str]:
    """Return which version each deployment serves."""
    return {
        name: body["metadata"]["annotations"]["m2s.io/version"]
        for name, body in space.all().items()
    }


@pytest.mark.thorough
def test_templates_of_several_models_are_filled_from_the_stage(
    models: Models, api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    for number in (1, 2, 3, 4):
        source = f"wasbs://artifacts@account.blob.core.windows.net/mlflow/{number}/model"
        models.add(f"iris demo{number}", None, source=source)
    root = node("classifier", "iris demo4")
    first, second = node("step-one", "iris demo1"), node("step-three", "iris demo3")
    first["children"] = [node("step-two", "iris demo2")]
    root |= {"children": [first, second], "logger": {"url": "http://broker", "mode": "all"}}
    spec = {"name": "iris", "predictors": [{"graph": root, "name": "default", "replicas": 1}]}
    body = {"apiVersion": "machinelearning.seldon.io/v1", "kind": "SeldonDeployment"}
    text = yaml.safe_dump({**body, "metadata": {"name": "mlflow-var"}, "spec": spec})
    folder = tmp_path / "model-deployments" / "staging"
    folder.mkdir(parents=True)
    (folder / "mlflow-var.yaml").write_text(text)
    flags = [NO_STORE, "--stage", "Staging", "-n", namespace, "--tracking-uri", models.uri]
    flags += ["--kubeconfig", str(api_server.kubeconfig()), "--templates", str(folder)]
    # The store is not there to be read: a template, not a deploy.yaml, says how to serve them.
    flags += ["--deploy-file", "ignored", "--model", "iris demo*"]
    result = m2s("apply", *flags)
    assert result.code == 0, result
    assert planned(m2s("plan", *flags, "-o", "json")) == {"mlflow-var": "unchanged"}
    found = Namespace(api_server, namespace).all()["mlflow-var"]["spec"]["predictors"][0]["graph"]
    assert found["modelUri"] == "azureblob://artifacts/mlflow/4/model"
    inner = found["children"][0]["children"][0]
    assert inner["modelUri"] == "azureblob://artifacts/mlflow/2/model"


@pytest.fixture
def neuro(
    mlflow_server: MlflowServer,
    api_server: ApiServer,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Namespace:
    """The variables as that service's document has them, with servers of our own."""
    given = {
        "M2S_MLFLOW_HOST": mlflow_server.uri,
        "M2S_MLFLOW_STORAGE_ROOT": "storage:myproject/mlruns",
        "M2S_SELDON_NEURO_DEF_IMAGE": "image:myproject/seldon:v1",
        "M2S_SRC_NEURO_CLUSTER": "demo_cluster",
        "M2S_SELDON_DEPLOYMENT_NS": namespace,
        "M2S_NEURO_REGISTRY_SECRET": "neuro-registry",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return Namespace(api_server, namespace)


@pytest.mark.thorough
def test_every_version_in_a_stage_is_served_by_the_platforms_image(
    models: Models, mlflow_server: MlflowServer, neuro: Namespace
) -> None:
    # MLflow's server refuses to register a path of its own machine; there it was a mounted disk.
    store = MlflowClient(*[f"sqlite:///{mlflow_server.database}"] * 2)
    store.create_registered_model("neuro-iris")
    runs = [models.client.create_run("0").info.run_id for _ in range(2)]
    for run, stage in zip(runs, STAGES, strict=True):
        source = f"{RUN_ROOT}/{run}/artifacts/model"
        made = store.create_model_version("neuro-iris", source, run)
        models.move("neuro-iris", int(made.version), stage)
    kubeconfig = str(neuro.server.kubeconfig())
    flags = ("--config", str(EXAMPLE), "--kubeconfig", kubeconfig, "--model", "neuro-*")
    result = m2s("apply", *flags)
    assert result.code == 0, result
    both = {"neuro-iris-staging": "unchanged", "neuro-iris-production": "unchanged"}
    assert planned(m2s("plan", *flags, "-o", "json")) == both

    pod = pods(neuro)["neuro-iris-staging"]
    image = "registry.demo-cluster.org.neu.ro/myproject/seldon:v1"
    assert [container["image"] for container in pod["containers"]] == [image]
    uri = f"storage:myproject/mlruns/0/{runs[0]}/artifacts/model"
    assert pod["initContainers"][0]["args"] == [uri, "/mnt/models"]
    assert pod["imagePullSecrets"] == [{"name": "neuro-registry"}]

    models.client.set_registered_model_tag(
        "neuro-iris", "deployment-image", "image:myproject/seldon:v2"
    )
    assert m2s("apply", *flags).code == 0
    images = [pod["containers"][0]["image"] for pod in pods(neuro).values()]
    assert images == [image.replace("v1", "v2")] * 2

    models.add("neuro-other", None, stage="Staging")
    models.move("neuro-iris", 1, "Archived")
    assert m2s("apply", "--prune", *flags).code == 0
    assert set(pods(neuro)) == {"neuro-iris-production", "neuro-other-staging"}


def pods(namespace: Namespace) -> dict[str, Any]:
    return {
        name: body["spec"]["predictors"][0]["componentSpecs"][0]["spec"]
        for name, body in namespace.all().items()
    }
