"""What the tests of whole commands stand on: a registry to fill, and m2s to run."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis
import yaml
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from m2s.cli import main
from tests.kits.kind import GROUP, KIND, VERSION

_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def tried(count: int, *, sharing: bool = False) -> hypothesis.settings:
    """Try a law on so many examples, however long one takes; `make test` takes a third of them.

    `make test-quick` takes a twentieth.

    ``sharing``: all examples share the test's fixtures, and that is meant.
    """
    share = 1 if os.environ.get("M2S_TEST_ALL") == "1" else 3
    share = 20 if os.environ.get("M2S_TEST_QUICK") == "1" else share
    shared = [hypothesis.HealthCheck.function_scoped_fixture] if sharing else []
    return hypothesis.settings(
        max_examples=max(count // share, 5),
        deadline=None,
        suppress_health_check=shared,
    )


def seldon(name: str | None = None, **spec: Any) -> dict[str, Any]:
    """Return a SeldonDeployment that the real CRD accepts; ``spec`` goes beside its predictor."""
    container = {"name": "classifier", "image": "seldonio/mlflowserver:1.18.2"}
    predictor: dict[str, Any] = {
        "name": "default",
        "replicas": 1,
        "graph": {"name": "classifier", "implementation": "MLFLOW_SERVER", "modelUri": ""},
        "componentSpecs": [{"spec": {"containers": [container]}}],
    }
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        **({"metadata": {"name": name}} if name else {}),
        "spec": {"predictors": [predictor], **spec},
    }


def description(name: str | None = None, *, image: str = "1.18.2", replicas: int = 1) -> str:
    """Return a ``deploy.yaml``."""
    body = seldon(name)
    predictor = body["spec"]["predictors"][0]
    predictor["replicas"] = replicas
    predictor["componentSpecs"][0]["spec"]["containers"][0]["image"] = f"server:{image}"
    return yaml.dump(body, Dumper=_DUMPER, sort_keys=False)


def inference_service(name: str | None = None, **predictor: Any) -> str:
    """Return a ``deploy.yaml`` of KServe; ``predictor`` goes beside the model."""
    model = {"modelFormat": {"name": "mlflow"}, "protocolVersion": "v2", "storageUri": ""}
    body = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"annotations": {"serving.kserve.io/deploymentMode": "Standard"}},
        "spec": {"predictor": {"model": model, **predictor}},
    }
    if name:
        body["metadata"]["name"] = name  # type: ignore[index]
    return yaml.dump(body, Dumper=_DUMPER, sort_keys=False)


class Models:
    """A registry to be filled, by MLflow's own client; ``experiment`` has its runs."""

    def __init__(self, uri: str, database: Path | None = None, experiment: str = "0") -> None:
        self.uri, self._experiment = uri, experiment
        self.database = database or Path(uri.removeprefix("sqlite:///"))
        self.client = MlflowClient(uri, uri)

    def add(
        self,
        model: str,
        deploy: str | bytes | None = "",
        *,
        stage: str | None = "Staging",
        alias: str | None = None,
        source: str | None = None,
        tags: Mapping[str, str] | None = None,
        model_tags: Mapping[str, str] | None = None,
    ) -> int:
        """Register one more version with a run of its own and return its number.

        ``deploy`` is its deploy.yaml, "" for the plain :func:`description`, None for none. A stage
        keeps the versions it has. ``tags`` are the version's, ``model_tags`` the model's.
        """
        with contextlib.suppress(MlflowException):
            self.client.create_registered_model(model)
        run = self.client.create_run(self._experiment).info
        if deploy is not None:
            self._log(run.run_id, description() if deploy == "" else deploy)
        where = source or f"s3://models/{run.run_id}"
        made = self.client.create_model_version(model, where, run.run_id, dict(tags or {}))
        for key, value in (model_tags or {}).items():
            self.client.set_registered_model_tag(model, key, value)
        if stage:
            self.move(model, int(made.version), stage, archive=False)
        if alias:
            self.client.set_registered_model_alias(model, alias, made.version)
        return int(made.version)

    def move(self, model: str, version: int, stage: str, *, archive: bool = True) -> None:
        """Put a version into a stage; those that were there are archived."""
        self.client.transition_model_version_stage(
            model,
            str(version),
            stage,
            archive_existing_versions=archive and stage in ("Staging", "Production"),
        )

    def alias(self, model: str, alias: str, version: int | None) -> None:
        """Point an alias at a version, or at nothing."""
        if version is None:
            self.client.delete_registered_model_alias(model, alias)
        else:
            self.client.set_registered_model_alias(model, alias, str(version))

    def delete(self, model: str, version: int | None = None) -> None:
        """Delete a version, or the whole model."""
        if version is None:
            self.client.delete_registered_model(model)
        else:
            self.client.delete_model_version(model, str(version))

    def run_of(self, model: str, version: int) -> str:
        """Return the id of the run that a version was made in."""
        return str(self.client.get_model_version(model, str(version)).run_id)

    def set_status(self, model: str, version: int, status: str) -> None:
        """Make a version's registration look unfinished or failed, which no client can do."""
        with contextlib.closing(sqlite3.connect(self.database)) as connection, connection:
            update = "UPDATE model_versions SET status = ? WHERE name = ? AND version = ?"
            assert connection.execute(update, (status, model, version)).rowcount == 1

    def _log(self, run: str, deploy: str | bytes) -> None:
        if isinstance(deploy, str):
            self.client.log_text(run, deploy, "deploy.yaml")
            return
        # log_text writes text only; a folder of its own gives the file its name.
        with TemporaryDirectory() as folder:
            file = Path(folder) / "deploy.yaml"
            file.write_bytes(deploy)
            self.client.log_artifact(run, str(file))


@dataclass(frozen=True)
class Result:
    """What one command came to."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that starts with "Error: ", without that; there must be exactly one."""
        lines = [line for line in self.err.splitlines() if line.startswith("Error: ")]
        assert len(lines) == 1, self
        assert "Traceback" not in self.out + self.err, self
        return lines[0].removeprefix("Error: ")

    @property
    def document(self) -> Any:
        """The JSON document that was printed."""
        return json.loads(self.out)

    @property
    def changes(self) -> dict[str, dict[str, Any]]:
        """The changes of the printed plan by the object's name."""
        plan = self.document.get("plan", self.document)
        return {change["name"]: change for change in plan["changes"]}


def m2s(*argv: str) -> Result:
    """Run one command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(argv)
    return Result(code, out.getvalue(), err.getvalue())


def process(*argv: str, env: Mapping[str, str] | None = None) -> Result:
    """Run one command as a user does, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "m2s", *argv],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(env or {})},
        timeout=120,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)
