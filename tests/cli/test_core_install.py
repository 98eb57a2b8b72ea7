"""What the image has: the core without full mlflow, on a file system that takes no writes.

No container engine is needed: the Dockerfile's commands make an environment in a folder, and what
a run leaves there besides its temporary folder is what a read-only root would have refused.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.kits.core import PROJECT, install
from tests.servers import MlflowServer

pytestmark = pytest.mark.slow  # processes that are waited for; `make test-all` runs them

DESCRIPTION = """\
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
spec:
  predictors:
    - name: default
      graph: {name: model, implementation: MLFLOW_SERVER}
"""


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with ``pip install .`` in it and nothing else; takes 20 seconds."""
    environment = tmp_path_factory.mktemp("core")
    install(environment, "--no-compile")
    return environment


def run(
    core: Path, *args: str | Path, cwd: Path, program: str = "m2s"
) -> subprocess.CompletedProcess[str]:
    """Run as the image does: its environment, and a temporary folder as the only home."""
    scratch = cwd.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    image = {"HOME": str(scratch), "TMPDIR": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [core / "bin" / program, *args]
    env = {"PATH": os.defpath, "MLFLOW_DISABLE_TELEMETRY": "true", **image}
    return subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=120
    )


def stage_a_model(uri: str) -> None:
    """Register a version that asks to be deployed."""
    registry = MlflowClient(uri)
    registry.create_registered_model("core-install")
    run_id = registry.create_run("0").info.run_id
    registry.log_text(run_id, DESCRIPTION, "deploy.yaml")
    made = registry.create_model_version("core-install", "s3://bucket/model", run_id)
    registry.transition_model_version_stage("core-install", made.version, "Staging")


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    """An empty working directory."""
    folder = tmp_path / "cwd"
    folder.mkdir()
    return folder


def test_help_needs_the_core_only(core: Path, cwd: Path) -> None:
    answer = run(core, "--help", cwd=cwd)
    assert answer.returncode == 0, answer.stderr
    assert "plan" in answer.stdout


def test_core_has_skinny_mlflow(core: Path, cwd: Path) -> None:
    names = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    installed = run(core, "-c", names, cwd=cwd, program="python").stdout.split()
    assert "mlflow-skinny" in installed
    assert "mlflow-m2s" in installed
    assert not {"m2s", "mlflow", "numpy", "pandas", "pytest"} & set(installed)


def test_plan_reads_a_server_and_writes_nothing(
    core: Path, cwd: Path, mlflow_server: MlflowServer
) -> None:
    stage_a_model(mlflow_server.uri)
    before = sorted(core.rglob("*"))
    target = f"dir:{cwd.parent / 'deployments'}"
    flags = ["--stage", "Staging", "--tracking-uri", mlflow_server.uri, "--target", target]
    answer = run(core, "plan", *flags, "--model", "core-install", cwd=cwd)
    assert answer.returncode == 0, answer.stderr
    assert "1 to create" in answer.stdout
    assert sorted(core.rglob("*")) == before
    assert list(cwd.iterdir()) == []


def test_database_registry_names_the_extra_it_needs(core: Path, cwd: Path) -> None:
    flags = ["--stage", "Staging", "--tracking-uri", "sqlite:////nowhere.db", "--target", "dir:d"]
    answer = run(core, "plan", *flags, cwd=cwd)
    assert answer.returncode != 0
    assert "pip install 'mlflow-m2s[local]'" in answer.stderr
    assert "pip install '.[local]'" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_image_runs_as_a_number_that_is_not_root() -> None:
    users = re.findall(r"^USER (\d+)", (PROJECT / "Dockerfile").read_text(), re.MULTILINE)
    assert users
    assert int(users[-1]) > 0
