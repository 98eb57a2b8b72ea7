"""Registries of many models, written straight into the server's database and artifact folder.

Each model has two versions, as MLflow 3 registers them (``models:/m-<id>``, with the files of a
pyfunc model), each of a run with a ``deploy.yaml`` of its own. Version 2 is in Staging. Version 1
of the first hundred models is in Production, of all others it is archived.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PRODUCTION = 100
_BEGUN = 1_790_000_000_000
_MINUTE = 60_000

DEPLOY = """\
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata:
  name: {name}
  labels: {{team: team-{team}}}
spec:
  name: {name}
  protocol: v2
  predictors:
  - name: default
    replicas: {replicas}
    traffic: 100
    graph:
      name: classifier
      implementation: MLFLOW_SERVER
      modelUri: ""
      envSecretRefName: bucket
    componentSpecs:
    - spec:
        containers:
        - name: classifier
          image: registry.example.com/serving/mlflowserver:1.18.2
          resources:
            requests: {{cpu: "1", memory: 1Gi}}
            limits: {{memory: 2Gi}}
          env:
          - {{name: WORKERS, value: "{replicas}"}}
"""
MLMODEL = """\
flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.11.9}
  sklearn: {sklearn_version: 1.5.0}
mlflow_version: 3.1.0
"""


def name_of(number: int) -> str:
    """Return a model's name, which is also that of its deployment."""
    return f"model-{number:05}"


def fill(database: Path, artifacts: Path, models: int) -> None:
    """Register ``models`` models; ``artifacts`` is where the server keeps its artifacts."""
    rows = list(_rows(models))
    runs = [(r["run"], f"mlflow-artifacts:/0/{r['run']}/artifacts") for r in rows]
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany(
            "INSERT INTO runs (run_uuid, name, source_type, status, start_time, lifecycle_stage,"
            " artifact_uri, experiment_id, user_id)"
            " VALUES (?, 'r', 'LOCAL', 'FINISHED', 1, 'active', ?, 0, 'u')",
            runs,
        )
        connection.executemany(
            "INSERT INTO registered_models (name, creation_time, last_updated_time)"
            " VALUES (?, ?, ?)",
            [(name_of(n), _BEGUN, _BEGUN + n * _MINUTE) for n in range(models)],
        )
        connection.executemany(
            "INSERT INTO model_versions (name, version, creation_time, last_updated_time,"
            " current_stage, source, storage_location, run_id, status)"
            " VALUES (:name, :version, :at, :at, :stage, :source, :where, :run, 'READY')",
            rows,
        )
        connection.executemany(
            "INSERT INTO logged_models (model_id, experiment_id, name, artifact_location,"
            " creation_timestamp_ms, last_updated_timestamp_ms, status, lifecycle_stage,"
            " source_run_id) VALUES (:id, 0, 'model', :where, 1, 1, 2, 'active', :run)",
            rows,
        )
    for row in rows:
        _write(artifacts / "0" / row["run"] / "artifacts" / "deploy.yaml", row["deploy"])
        _write(artifacts / "0/models" / row["id"] / "artifacts" / "MLmodel", MLMODEL)


def _rows(models: int) -> Iterator[dict[str, Any]]:
    for number in range(models):
        for version in (1, 2):
            identity = f"m-{number:030x}{version:02}"
            first = "Production" if number < PRODUCTION else "Archived"
            yield {
                "name": name_of(number),
                "version": version,
                "at": _BEGUN + number * _MINUTE,
                "stage": "Staging" if version == 2 else first,
                "id": identity,
                "source": f"models:/{identity}",
                "where": f"mlflow-artifacts:/0/models/{identity}/artifacts",
                "run": f"{number:030x}{version:02}",
                "deploy": DEPLOY.format(
                    name=name_of(number), team=number % 20, replicas=number % 5 + 1
                ),
            }


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
