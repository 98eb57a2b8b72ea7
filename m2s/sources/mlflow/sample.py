"""A small real registry for ``m2s demo``: logged models, and ways to move them."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from m2s.sources.mlflow.client import MlflowClient
from m2s.sources.mlflow.database import require_mlflow
from m2s.sources.mlflow.server import Server

STAGE = "Staging"
ALIAS = "champion"
EXPERIMENT = "m2s-demo"
_GLOBALS = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")


def create_sample(tracking_uri: str, artifact_root: Path) -> None:
    """Fill a registry that may not exist yet: two models in Staging, one with an alias only.

    ``iris`` and ``wine quality`` carry a ``deploy.yaml``; ``fraud``, the champion, does not. A
    database (``sqlite:////path``) is created if need be; the models' files lie at ``file://`` below
    ``artifact_root``. RegistryError: MLflow could not be written to.
    """
    require_mlflow(Server.parse(tracking_uri))
    with _quiet(tracking_uri, "create the sample") as client:
        client.create_experiment(EXPERIMENT, artifact_location=artifact_root.absolute().as_uri())
    iris = log_version(tracking_uri, "iris", deploy_yaml("iris"))
    wine = log_version(tracking_uri, "wine quality", deploy_yaml("wine-quality", replicas=2))
    fraud = log_version(tracking_uri, "fraud", None)
    promote(tracking_uri, "iris", iris)
    promote(tracking_uri, "wine quality", wine)
    with _quiet(tracking_uri, "set an alias") as client:
        client.set_registered_model_alias("fraud", ALIAS, str(fraud))


def log_version(tracking_uri: str, model: str, deploy: str | None) -> int:
    """Log a pyfunc model in a run of its own and register it; returns the version.

    The registry is one that :func:`create_sample` has filled; ``deploy`` is the text of the run's
    ``deploy.yaml``, None for none.
    """
    with _quiet(tracking_uri, f"log {model}") as client:
        import mlflow

        experiment = client.get_experiment_by_name(EXPERIMENT)
        with mlflow.start_run(experiment_id=experiment.experiment_id if experiment else None):
            if deploy is not None:
                mlflow.log_text(deploy, "deploy.yaml")
            return _log_model(model)


def promote(tracking_uri: str, model: str, version: int, stage: str = STAGE) -> None:
    """Move a version into ``stage`` and archive those that were there."""
    with _quiet(tracking_uri, f"promote {model} v{version}") as client:
        client.transition_model_version_stage(
            model, str(version), stage, archive_existing_versions=True
        )


def archive(tracking_uri: str, model: str, version: int) -> None:
    """Move a version to Archived: out of every stage that is served."""
    with _quiet(tracking_uri, f"archive {model} v{version}") as client:
        client.transition_model_version_stage(model, str(version), "Archived")


def deploy_yaml(name: str, *, image: str = "1.18.2", replicas: int = 1) -> str:
    """Return a SeldonDeployment as a data scientist logs it: its modelUri is left to m2s.

    ``image`` is the tag of the prepackaged MLflow server's.
    """
    return f"""\
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata:
  name: {name}
spec:
  predictors:
    - name: default
      replicas: {replicas}
      graph:
        name: classifier
        implementation: MLFLOW_SERVER
        modelUri: ""
      componentSpecs:
        - spec:
            containers:
              - name: classifier
                image: seldonio/mlflowserver:{image}
                resources:
                  requests:
                    cpu: 100m
                    memory: 512Mi
"""


def _log_model(name: str) -> int:
    import mlflow
    from mlflow.pyfunc.model import PythonModel

    class Echo(PythonModel):
        def predict(
            self,
            context: Any,  # noqa: ARG002 - the signature is mlflow's
            model_input: list[str],
            params: Any = None,  # noqa: ARG002
        ) -> list[str]:
            return model_input

    logged = mlflow.pyfunc.log_model(
        name="model",
        python_model=Echo(),
        registered_model_name=name,
        pip_requirements=[],  # else mlflow serves the model once to see what it imports
    )
    return int(logged.registered_model_version)


@contextmanager
def _quiet(tracking_uri: str, doing: str) -> Iterator[MlflowClient]:
    """Point mlflow's globals at ``tracking_uri``, mute it, and put the globals back.

    Also MLFLOW_REGISTRY_URI: the sample must not land in the registry that a user works with.
    """
    import mlflow

    before = {name: os.environ[name] for name in _GLOBALS if name in os.environ}
    muted = io.StringIO()
    with Server.parse(tracking_uri).asking(doing), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with redirect_stdout(muted), redirect_stderr(muted):
            try:
                mlflow.set_tracking_uri(tracking_uri)
                mlflow.set_registry_uri(tracking_uri)
                yield MlflowClient(tracking_uri, tracking_uri)
            finally:
                setters: Any = mlflow  # None unsets, says its code but not its annotation
                setters.set_tracking_uri(None)
                setters.set_registry_uri(None)
                for name in _GLOBALS:
                    os.environ.pop(name, None)
                os.environ.update(before)
