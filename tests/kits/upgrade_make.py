"""Make ``tests/data/upgrade``: the state that an m2s leaves behind, for later ones to find.

It is run in a checkout of the m2s whose state is wanted, with this file put into its ``tests``:
``python -m tests.kits.upgrade_make FOLDER``. The README in that folder says which one made it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from mlflow import MlflowClient

from tests.controlplane import assets
from tests.servers import ApiServer, sqlite_uri
from tests.servers.mlflowserver import make_template

TABLES = (
    "runs", "registered_models", "registered_model_tags", "registered_model_aliases",
    "model_versions", "model_version_tags",
)  # fmt: skip
NAMESPACE = "models"
COLLECTION = f"/apis/machinelearning.seldon.io/v1/namespaces/{NAMESPACE}/seldondeployments"
IMAGE = "registry.example.com/ml/server:1"
URIS = {"artifacts/": "s3://bucket/", "mlflow-artifacts:/": "s3://bucket/mlflow"}
SETTINGS: dict[str, dict[str, Any]] = {
    "staging": {
        "stage": "Staging",
        "deploy-file": "optional",
        "env-secret": "store",
        "defaults": {
            "metadata": {"labels": {"cost-center": "ml"}},
            "spec": {
                "predictors": [
                    {
                        "name": "*",
                        "componentSpecs": [
                            {"spec": {"containers": [{"name": "*", "imagePullPolicy": "Always"}]}}
                        ],
                    }
                ]
            },
        },
    },
    "wrapped": {"alias": "wrapped", "default-image": IMAGE, "service-account": "reader"},
    "production": {"stage": "Production", "templates": "templates", "deploy-file": "optional"},
    "traffic": {"split": "champion=90,challenger=10", "deploy-file": "optional"},
}
TEMPLATES = {
    "pipeline.yaml": """\
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata:
  name: pipeline-{{ selector.name | lower }}
  annotations:
    example.com/owner: {{ model("first step").tags["owner"] | default("nobody") }}
spec:
  predictors:
    - name: default
      replicas: {{ model("first step").version }}
      graph:
        name: first
        implementation: MLFLOW_SERVER
        modelUri: {{ model("first step").uri }}
        children:
          - name: second
            implementation: MLFLOW_SERVER
            modelUri: {{ mlflow.s3["second step"] }}
""",
    "_base.yaml": """\
metadata:
  annotations:
    example.com/run: "{{ model.run_id }}"
spec:
  protocol: v2
""",
}
MLMODEL = "flavors:\n  python_function: {loader_module: mlflow.sklearn, python_version: 3.11.4}\n"
DEPLOY = """\
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata:
  {head}
spec:
  predictors:
    - name: default
      replicas: {replicas}
      componentSpecs:
        - spec:
            containers:
              - name: classifier
                image: server:{replicas}
                env: [{{name: LEVEL, value: "{replicas}"}}]
                ports: [{{containerPort: 9000}}]
      graph:
        name: classifier
        implementation: MLFLOW_SERVER
        modelUri: ""
"""


def deploy(name: str = "", replicas: int = 1) -> str:
    """Return a deploy.yaml, with or without a name."""
    head = f"name: {name}" if name else "labels: {team: flowers}"
    return DEPLOY.format(head=head, replicas=replicas)


class Making:
    """A registry, a folder and a namespace, and m2s between them; the working directory is its."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        uri = f"sqlite:///{Path.cwd() / 'mlflow.db'}"
        self.client = MlflowClient(uri, uri)
        self.kubeconfig = str(server.kubeconfig(namespace=NAMESPACE))

    def add(
        self,
        model: str,
        text: str | None,
        *,
        source: str = "",
        stage: str = "",
        alias: str = "",
        **tags: str,
    ) -> None:
        """Register one more version."""
        with contextlib.suppress(Exception):
            self.client.create_registered_model(model)
        run = self.client.create_run("0").info.run_id
        if text is not None:
            self.client.log_text(run, text, "deploy.yaml")
        where = source or self._log_model(model)
        made = self.client.create_model_version(model, where, run, tags)
        if stage:
            self.client.transition_model_version_stage(
                model, made.version, stage, archive_existing_versions=True
            )
        if alias:
            self.client.set_registered_model_alias(model, alias, made.version)

    def _log_model(self, model: str) -> str:
        """Write the file that MLflow keeps beside a model, where m2s can read it."""
        folder = Path("artifacts", "models", model.replace(" ", "-"))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "MLmodel").write_text(MLMODEL)
        return str(folder)

    def targets(self, name: str) -> dict[str, list[str]]:
        """Return the flags of both targets of one environment."""
        return {
            "folder": ["--target", f"dir:folder/{name}", "-n", NAMESPACE],
            "cluster": ["--kubeconfig", self.kubeconfig, "-n", NAMESPACE],
        }

    def m2s(self, command: str, name: str, *argv: str) -> dict[str, str]:
        """Run a command on both targets of an environment and return what they print."""
        return {
            target: self._run(*command.split(), "--config", f"{name}.yaml", *flags, *argv)
            for target, flags in self.targets(name).items()
        }

    def apply(self, *names: str) -> None:
        """Apply some environments on both targets, whatever is blocked."""
        for name in names:
            self.m2s("apply --yes", name)

    def pause(self, name: str) -> None:
        """Do what ``kubectl annotate sdep NAME m2s.io/paused=true`` does, and as much to a file."""
        from kubernetes import client

        body = {"metadata": {"annotations": {"m2s.io/paused": "true"}}}
        client.CustomObjectsApi(self.server.admin).patch_namespaced_custom_object(
            "machinelearning.seldon.io", "v1", NAMESPACE, "seldondeployments", name, body,
            field_manager="kubectl-annotate", _content_type="application/merge-patch+json",
        )  # fmt: skip
        file = Path("folder/staging", NAMESPACE, f"{name}.yaml")
        head = "  annotations:\n"
        file.write_text(file.read_text().replace(head, f"{head}    m2s.io/paused: 'true'\n", 1))

    def _run(self, *argv: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "m2s", *argv], capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, 1), (argv, done)
        assert "Traceback" not in done.stderr, done.stderr
        sys.stderr.write(f"{argv[0]}: {done.returncode}\n{done.stderr}")
        return done.stdout


def play(making: Making) -> None:
    """Deploy, promote, pause, pin and break: what a team does in a month."""
    for model, number in (("iris", 1), ("still", 1), ("asleep", 1), ("pinned", 1), ("broken", 1)):
        making.add(model, deploy(model, number), stage="Staging", **{"m2s.io/requests.cpu": "1"})
    location = "mlflow-artifacts:/0/models/m-1/artifacts"
    making.add(
        "wine quality", deploy(), source=location, stage="Staging",
        **{"m2s.io/replicas": "3", "m2s.io/limits.memory": "4Gi"},
    )  # fmt: skip
    making.add("bare", None, stage="Staging", alias="wrapped")
    making.add("tagged", None, alias="wrapped")
    making.client.set_registered_model_tag("tagged", "deployment-image", f"{IMAGE}23")
    making.add("first step", None, stage="Production", owner='a: "b" # {{ c }}')
    making.add("second step", None, source="s3://bucket/second", stage="Production")
    making.add("single", deploy("single"), stage="Production")
    making.add("fraud", deploy("fraud"), alias="champion")
    making.add("fraud", deploy("fraud", 2), alias="challenger")
    making.add("lonely", None, alias="champion")
    making.apply(*SETTINGS)
    making.pause("still")
    making.client.set_registered_model_tag("asleep", "m2s.io/paused", "true")
    for model in ("iris", "still", "asleep", "pinned"):
        making.add(model, deploy(model, 2), stage="Staging")
    making.add("broken", "spec: [", stage="Staging")
    making.add("first step", None, stage="Production")
    making.apply("staging", "production")
    making.m2s("rollback pinned --yes", "staging")


def dump(making: Making, out: Path) -> None:
    """Write the state, and what is planned for it: nothing."""
    actions: dict[str, dict[str, dict[str, str]]] = {}
    for name in SETTINGS:
        for target, text in making.m2s("plan -o json", name).items():
            changes = json.loads(text)["changes"]
            found = {change["name"]: change["action"] for change in changes}
            assert not {"create", "update", "delete"} & set(found.values()), found
            actions.setdefault(name, {})[target] = found
    _write(out / "actions.json", actions)
    objects = making.server.call("GET", COLLECTION)["items"]
    _write(out / "cluster.json", objects)
    with contextlib.closing(sqlite3.connect("mlflow.db")) as connection:
        connection.row_factory = sqlite3.Row
        rows = {
            table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]  # noqa: S608
            for table in TABLES
        }
    _write(out / "registry.json", rows)
    for name in ("artifacts", "templates", "folder", "cache"):
        shutil.copytree(name, out / name, dirs_exist_ok=True)
    for name in SETTINGS:
        shutil.copy(f"{name}.yaml", out)


def save_plans(making: Making, out: Path) -> None:
    """Save a plan with updates for each target, and one that makes everything anew."""
    (out / "plans").mkdir()
    base = ["plan", "--config", "staging.yaml"]
    for target, flags in making.targets("staging").items():
        path = out / "plans" / f"{target}.json"
        making._run(*base, *flags, "--env-secret", "other", "--out", str(path))
    fresh = ["--target", "dir:fresh", "-n", NAMESPACE]
    making._run(*base, *fresh, "--out", str(out / "plans" / "fresh.json"))


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


@contextlib.contextmanager
def servers() -> Iterator[ApiServer]:
    """Yield an API server with the namespace; the working directory is an empty registry's."""
    found = assets.find()
    assert found, assets.HINT
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        folder = Path(scratch)
        (folder / "work").mkdir()
        sqlite_uri(make_template(folder), folder / "work")
        server = ApiServer(found, folder)
        stack.callback(server.close)
        server.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        stack.enter_context(contextlib.chdir(folder / "work"))
        with contextlib.closing(sqlite3.connect("mlflow.db")) as connection, connection:
            # Relative, so that what is kept of it is true in any working directory.
            connection.execute("UPDATE experiments SET artifact_location = 'artifacts/0'")
        yield server


def main(out: Path) -> None:
    """Make it all, in a folder that is not there yet."""
    out.mkdir(parents=True)
    os.environ |= {"PYTHONPATH": str(Path.cwd()), "AWS_EC2_METADATA_DISABLED": "true"}
    with servers() as server:
        os.environ["XDG_CACHE_HOME"] = str(Path("cache").absolute())
        Path("templates").mkdir()
        for name, text in TEMPLATES.items():
            Path("templates", name).write_text(text)
        for name, settings in SETTINGS.items():
            whole = {"tracking-uri": "sqlite:///mlflow.db", "model-uri-map": URIS, **settings}
            Path(f"{name}.yaml").write_text(yaml.safe_dump(whole, sort_keys=False))
        making = Making(server)
        play(making)
        save_plans(making, out)
        dump(making, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
