"""The state that an earlier m2s left, laid out again: ``tests/data/upgrade``, see its README."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from kubernetes import client

from tests.kits.support import Result, m2s
from tests.servers import ApiServer, sqlite_uri

STATE = Path(__file__).parents[1] / "data" / "upgrade"
ACTIONS: dict[str, dict[str, dict[str, str]]] = json.loads((STATE / "actions.json").read_text())
"""What was planned for each deployment, by environment and target."""
GROUP, VERSION, PLURAL = "machinelearning.seldon.io", "v1", "seldondeployments"
NAMESPACE = "models"
"""It is a part of what the checksums are of."""


@dataclass(frozen=True)
class Left:
    """One environment on one target; ``flags`` say which."""

    environment: str
    flags: tuple[str, ...]

    def __call__(self, command: str, *argv: str) -> Result:
        """Run a command in this process, in the working directory."""
        return m2s(command, "--config", f"{self.environment}.yaml", *self.flags, *argv)

    def actions(self) -> dict[str, str]:
        """Return what is planned for each deployment now."""
        planned = self("plan", "-o", "json")
        assert planned.code == 0, planned
        return {name: change["action"] for name, change in planned.changes.items()}


def restore_folder(template: Path, folder: Path) -> None:
    """Lay out settings, registry, artifacts, templates, manifests and cache in an empty folder."""
    shutil.copytree(STATE, folder, dirs_exist_ok=True)
    sqlite_uri(template, folder)
    tables: dict[str, list[dict[str, Any]]] = json.loads((folder / "registry.json").read_text())
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as connection, connection:
        for table, rows in tables.items():
            for row in rows:
                marks = ", ".join("?" * len(row))
                insert = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})"  # noqa: S608
                connection.execute(insert, tuple(row.values()))


def restore_cluster(server: ApiServer) -> None:
    """Put the objects into their namespace, and nothing else, each field by who wrote it."""
    with contextlib.suppress(HTTPError):
        server.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    server.call("DELETE", f"/apis/{GROUP}/{VERSION}/namespaces/{NAMESPACE}/{PLURAL}")
    for found in json.loads((STATE / "cluster.json").read_text()):
        for entry in found["metadata"]["managedFields"]:
            _write(server, found, entry)


def _write(server: ApiServer, found: Mapping[str, Any], entry: Mapping[str, Any]) -> None:
    body = _owned(entry["fieldsV1"], found)
    name = found["metadata"]["name"]
    head = {"name": name, "namespace": NAMESPACE, **body.get("metadata", {})}
    kind = "apply-patch+yaml" if entry["operation"] == "Apply" else "merge-patch+json"
    client.CustomObjectsApi(server.admin).patch_namespaced_custom_object(
        GROUP, VERSION, NAMESPACE, PLURAL, name,
        {"apiVersion": found["apiVersion"], "kind": found["kind"], **body, "metadata": head},
        field_manager=entry["manager"], _content_type=f"application/{kind}",
    )  # fmt: skip


def _owned(fields: Mapping[str, Any], value: Any) -> Any:
    """Return the part of a value that a managedFields entry names; lists are whole."""
    names = {key.removeprefix("f:"): inner for key, inner in fields.items() if key != "."}
    return {name: _owned(inner, value[name]) for name, inner in names.items()} if names else value
