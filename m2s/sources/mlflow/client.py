"""What m2s uses of mlflow, imported in one place: its switches have to be set before the import."""

from __future__ import annotations

from m2s.sources.mlflow.environment import prepare

prepare()

# ruff: noqa: E402 - mlflow reads its log level and its telemetry switch while it is imported
from mlflow import MlflowClient
from mlflow.artifacts import list_artifacts
from mlflow.entities import FileInfo, Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.entities.paged_list import PagedList

__all__ = [
    "FileInfo",
    "MlflowClient",
    "MlflowException",
    "ModelVersion",
    "PagedList",
    "RegisteredModel",
    "Run",
    "get_artifact_repository",
    "is_absent",
    "list_artifacts",
]


def is_absent(error: BaseException) -> bool:
    """Whether MLflow says that the thing asked for does not exist: this code and no other.

    A 404 of a proxy, a wrong path or an older server comes back as ENDPOINT_NOT_FOUND or
    INTERNAL_ERROR and says nothing about the thing.
    """
    return isinstance(error, MlflowException) and error.error_code == "RESOURCE_DOES_NOT_EXIST"
