"""examples/bentoml for real: its service answers behind what m2s wrote for it."""

from __future__ import annotations

import json
import os
import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient

from m2s.engine.execute import execute
from m2s.engine.reconcile import make_plan
from m2s.settings.build import build
from m2s.sources.mlflow.registry import MlflowRegistry
from m2s.targets.folder.namespace import FolderCluster
from tests import bentoml
from tests.kits import twice
from tests.servers import MlflowServer
from tests.servers.process import Process, free_port

EXAMPLE = Path(__file__).parents[3] / "examples" / "bentoml"


def written(server: MlflowServer, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the container and the Service that m2s writes for a model of a plain MLflow server."""
    client = MlflowClient(server.uri, server.uri)
    twice.save(folder / "model", "mlflow")
    run = client.create_run("0").info
    client.log_artifacts(run.run_id, str(folder / "model"), "model")
    client.log_text(run.run_id, (EXAMPLE / "deploy.yaml").read_text(), "deploy.yaml")
    client.create_registered_model("twice")
    made = client.create_model_version("twice", f"{run.artifact_uri}/model", run.run_id)
    client.set_registered_model_alias("twice", "bento", made.version)
    cluster = FolderCluster(folder / "out", "shop")
    chosen = build({"alias": ["bento"]}, {})
    execute(make_plan(MlflowRegistry(server.uri), cluster, chosen), cluster, delete=True)
    (file,) = (folder / "out" / "shop").glob("*.yaml")
    deployment, service = yaml.safe_load_all(file.read_text())
    return deployment["spec"]["template"]["spec"]["containers"][0], service


@pytest.mark.slow
def test_the_service_answers_behind_what_m2s_wrote(
    mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    python = bentoml.provide()
    if python is None:
        pytest.skip(bentoml.HINT)
    container, service = written(mlflow_server, tmp_path)
    variables = {one["name"]: one["value"] for one in container["env"]}
    assert variables["MODEL_URI"].startswith("mlflow-artifacts:/")
    (port,) = (str(one["containerPort"]) for one in container["ports"])
    assert service["spec"]["ports"][0]["port"] == int(port)

    command = re.search(r"(?m)^CMD (\[.*\])$", (EXAMPLE / "Dockerfile").read_text())
    assert command
    argv, here = json.loads(command[1]), str(free_port())
    argv[argv.index(port)] = here
    env = {
        **variables,
        "MLFLOW_TRACKING_URI": mlflow_server.uri,  # of the Secret
        "HOME": str(tmp_path),
        "BENTOML_DO_NOT_TRACK": "True",
        "PATH": os.pathsep.join([str(python.parent), os.environ["PATH"]]),
        "PYTHONWARNINGS": "ignore",
    }
    url = f"http://127.0.0.1:{here}"

    def ready() -> bool:
        try:
            path = container["readinessProbe"]["httpGet"]["path"]
            with urllib.request.urlopen(f"{url}{path}", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    argv = [str(python), "-m", *argv]
    running = Process(argv, tmp_path / "log", env=env, cwd=EXAMPLE)
    try:
        running.await_ready(ready, timeout=180)
        asked = urllib.request.Request(
            f"{url}/predict",
            json.dumps({"rows": [{"x": 2}, {"x": 3}]}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            assert json.load(answer) == [{"x": 4}, {"x": 6}]
    finally:
        running.kill()
