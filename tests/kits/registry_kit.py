"""What the registry tests share: registries are filled here, through MLflow's own client."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from m2s.domain.versions import Description, ModelVersion, Selector, Unreadable
from m2s.sources.mlflow.registry import MlflowRegistry

STAGING = Selector("stage", "Staging")
CHAMPION = Selector("alias", "champion")
DEPLOY = "kind: SeldonDeployment\nmetadata:\n  name: größe\n"


def client(uri: str) -> MlflowClient:
    return MlflowClient(uri, uri)


def register(uri: str, model: str, source: str, **more: Any) -> int:
    """Add a version with a given source to a model that may be new."""
    api = client(uri)
    if not api.search_registered_models(f"name = '{model}'"):
        api.create_registered_model(model)
    return int(api.create_model_version(model, source, await_creation_for=0, **more).version)


def stage(uri: str, model: str, version: int, name: str = "Staging") -> None:
    api = client(uri)
    api.transition_model_version_stage(model, str(version), name, archive_existing_versions=False)


def alias(uri: str, model: str, version: int, name: str = "champion") -> None:
    client(uri).set_registered_model_alias(model, name, str(version))


def selected(uri: str, selector: Selector) -> list[str]:
    return [str(version) for version in MlflowRegistry(uri).select(selector)]


def only(uri: str, selector: Selector = STAGING) -> ModelVersion:
    (version,) = MlflowRegistry(uri).select(selector)
    return version


def described(uri: str, version: ModelVersion) -> Description:
    found = MlflowRegistry(uri).describe(version)
    assert isinstance(found, Description), found
    return found


def unreadable(uri: str, version: ModelVersion) -> str:
    """The reason why a version cannot be read; it is one line."""
    found = MlflowRegistry(uri).describe(version)
    assert isinstance(found, Unreadable), found
    assert "\n" not in found.reason
    return found.reason


def folder_with(path: Path, files: dict[str, str]) -> str:
    """A folder of files, as a ``file://`` URI."""
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return path.as_uri()


def database_of(uri: str) -> Path:
    return Path(uri.removeprefix("sqlite:///"))


def execute(database: Path, statement: str, *rows: tuple[Any, ...]) -> None:
    """Change a registry behind MLflow's back: what its API refuses, or what it does slowly."""
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany(statement, rows or [()])


def seed(database: Path, models: int) -> None:
    """Add models of two versions, the first in Staging and champion, the second in Production."""
    names = [f"model {number:05}" for number in range(models)]
    execute(
        database,
        "INSERT INTO registered_models (name, creation_time, last_updated_time) VALUES (?, 1, 1)",
        *[(name,) for name in names],
    )
    execute(
        database,
        "INSERT INTO model_versions (name, version, creation_time, last_updated_time,"
        " current_stage, source, storage_location, status)"
        " VALUES (?, ?, 1, 1, ?, 's3://b/x', 's3://b/x', 'READY')",
        *[(name, 1, "Staging") for name in names],
        *[(name, 2, "Production") for name in names],
    )
    execute(
        database,
        "INSERT INTO registered_model_aliases (name, alias, version) VALUES (?, 'champion', 1)",
        *[(name,) for name in names],
    )
