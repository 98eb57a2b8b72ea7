"""Imports what m2s uses of mlflow, because mlflow's switches must be set before the import.

``X as X`` says that a name is there to be imported from here.
"""

from __future__ import annotations

from m2s.sources.mlflow.environment import prepare

prepare()

# ruff: noqa: E402 - mlflow reads its log level and its telemetry switch while it is imported
# ruff: noqa: PLC0414
from mlflow import MlflowClient as MlflowClient
from mlflow.artifacts import list_artifacts as list_artifacts
from mlflow.entities import FileInfo as FileInfo
from mlflow.entities import Run as Run
from mlflow.entities.model_registry import ModelVersion as ModelVersion
from mlflow.entities.model_registry import RegisteredModel as RegisteredModel
from mlflow.exceptions import MlflowException as MlflowException
from mlflow.store.artifact.artifact_repository_registry import (
    get_artifact_repository as get_artifact_repository,
)
from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository
from mlflow.store.entities.paged_list import PagedList as PagedList
from mlflow.store.model_registry.rest_store import RestStore as RestStore
from mlflow.tracking._model_registry.client import ModelRegistryClient as ModelRegistryClient
from mlflow.utils.credentials import get_default_host_creds as get_default_host_creds
from mlflow.utils.rest_utils import MlflowHostCreds, http_request
from mlflow.utils.workspace_utils import WORKSPACE_HEADER_NAME
from mlflow.version import VERSION as VERSION

from m2s.sources.mlflow import transport

transport.install()


def is_absent(error: BaseException) -> bool:
    """Whether MLflow says that the thing asked for does not exist: this code and no other.

    A 404 of a proxy, a wrong path or an older server comes back as ENDPOINT_NOT_FOUND or
    INTERNAL_ERROR and says nothing about the thing.
    """
    return isinstance(error, MlflowException) and error.error_code == "RESOURCE_DOES_NOT_EXIST"


def is_nowhere(error: BaseException) -> bool:
    """Whether a server does not know of the path, or a proxy does not."""
    return isinstance(error, MlflowException) and error.error_code == "ENDPOINT_NOT_FOUND"


def is_refused(error: BaseException) -> bool:
    """Whether MLflow says that it does not take what it was asked for, whoever asks."""
    return isinstance(error, MlflowException) and error.error_code == "INVALID_PARAMETER_VALUE"


def get(
    credentials: MlflowHostCreds, path: str, longest: int, *, workspace: bool = True
) -> tuple[int, bytes]:
    """Return the status and the first ``longest`` bytes of what a server answers under ``path``.

    It is asked with MLflow's retries and time-outs, and no redirect is followed. Without
    ``workspace`` the request names none: one that is not there would hide the answer.
    """
    how = {"allow_redirects": False, "stream": True}
    more = {} if workspace else {WORKSPACE_HEADER_NAME: ""}
    with http_request(
        credentials, path, "GET", raise_on_status=False, extra_headers=more, **how
    ) as answer:
        return answer.status_code, answer.raw.read(longest, decode_content=True)


def nobody(uri: str) -> MlflowHostCreds:
    """Return what connects to a server as MLflow is set up to, with no credentials."""
    known = get_default_host_creds(uri)
    trust = known.ignore_tls_verification, known.server_cert_path
    return MlflowHostCreds(uri, ignore_tls_verification=trust[0], server_cert_path=trust[1])


def artifacts_url(uri: str, tracking_uri: str) -> str:
    """Return the URL that stands for a ``mlflow-artifacts:`` URI."""
    return str(MlflowArtifactsRepository.resolve_uri(uri, tracking_uri))
