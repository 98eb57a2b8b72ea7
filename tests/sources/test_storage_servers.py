"""Models whose files are on S3, Azure Blob Storage, Google Cloud Storage, or handed out by MLflow.

Everything is logged and read by MLflow's own clients, on servers that speak the clouds' protocols.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from azure.storage.blob import BlobServiceClient
from google.cloud import storage as google
from mlflow.store.artifact import s3_artifact_repo

from m2s.domain.versions import DeployFile, Description, MlModel, ModelVersion, Unchecked
from m2s.sources.mlflow import sample
from m2s.sources.mlflow.registry import MlflowRegistry
from tests.kits.registry_kit import client, described, register, unreadable
from tests.kits.support import description, m2s, process
from tests.servers import FaultProxy, MlflowServer
from tests.servers.storage import ACCOUNT, S3, SOMEBODY, AzureBlob, GoogleStorage

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Store:
    """A bucket of its own: ``root`` is its URI, ``missing`` that of one which does not exist.

    ``served`` is the root as the model server reads it.
    """

    root: str
    missing: str
    served: str
    env: Mapping[str, str]


def on_s3(server: S3) -> Store:
    name = f"m2s-{next(_numbers)}"
    boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=SOMEBODY[0],
        aws_secret_access_key=SOMEBODY[1],
    ).create_bucket(Bucket=name)
    return Store(f"s3://{name}/ml", "s3://no-such-bucket/ml", f"s3://{name}/ml", server.env())


def on_azure(server: AzureBlob) -> Store:
    name = f"m2s-{next(_numbers)}"
    connection = server.env()["AZURE_STORAGE_CONNECTION_STRING"]
    with BlobServiceClient.from_connection_string(connection) as service:
        service.create_container(name)
    host = f"{ACCOUNT}.blob.core.windows.net"
    return Store(
        f"wasbs://{name}@{host}/ml",
        f"wasbs://no-such-container@{host}/ml",
        f"azureblob://{name}/ml",
        server.env(),
    )


def on_google(server: GoogleStorage, monkeypatch: pytest.MonkeyPatch) -> Store:
    name = f"m2s-{next(_numbers)}"
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    google.Client.create_anonymous_client().create_bucket(name)
    return Store(f"gs://{name}/ml", "gs://no-such-bucket/ml", f"gs://{name}/ml", server.env())


@pytest.fixture(autouse=True)
def no_credentials_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """MLflow keeps its S3 client for minutes, and boto3 the credentials it found first."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    s3_artifact_repo._cached_get_s3_client.cache_clear()
    yield
    s3_artifact_repo._cached_get_s3_client.cache_clear()


STORES = ("s3", "azure_blob", "google_storage")


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.server) for name in STORES])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Store:
    server = request.getfixturevalue(request.param)
    match server:
        case S3():
            made = on_s3(server)
        case AzureBlob():
            made = on_azure(server)
        case _:
            made = on_google(server, monkeypatch)
    for name, value in made.env.items():
        monkeypatch.setenv(name, value)
    return made


def logged(uri: str, root: str, model: str, deploy: str | None) -> ModelVersion:
    """Log a version, as a data scientist does, whose run keeps its artifacts below ``root``."""
    api = client(uri)
    if api.get_experiment_by_name(sample.EXPERIMENT) is None:
        api.create_experiment(sample.EXPERIMENT, artifact_location=root)
    number = sample.log_version(uri, model, deploy)
    entity = api.get_model_version(model, str(number))
    return ModelVersion(model, number, run_id=entity.run_id, source=entity.source or "")


@pytest.mark.thorough
def test_finds_deploy_yaml_among_the_runs_artifacts(store: Store, sqlite_registry: str) -> None:
    version = logged(sqlite_registry, store.root, "iris", description())
    found = described(sqlite_registry, version)
    model_id = version.source.removeprefix("models:/")
    assert found.uri == f"{store.root}/models/{model_id}/artifacts"
    origin = f"deploy.yaml of run {version.run_id}"
    assert found.file == DeployFile(origin, description().encode())


def test_finds_deploy_yaml_in_the_models_folder(
    store: Store, sqlite_registry: str, tmp_path: Path
) -> None:
    version = logged(sqlite_registry, store.root, "iris", None)
    (tmp_path / "deploy.yaml").write_text(description())
    model_id = version.source.removeprefix("models:/")
    client(sqlite_registry).log_model_artifact(model_id, str(tmp_path / "deploy.yaml"))
    found = described(sqlite_registry, version)
    assert found.file == DeployFile(f"deploy.yaml in {found.uri}", description().encode())


def test_none_anywhere_is_none(store: Store, sqlite_registry: str) -> None:
    assert (
        described(sqlite_registry, logged(sqlite_registry, store.root, "iris", None)).file is None
    )


def test_a_folder_that_is_not_there_is_not_an_absent_file(
    store: Store, sqlite_registry: str
) -> None:
    source = f"{store.root}/nothing/here"
    register(sqlite_registry, "iris", source)
    reason = unreadable(sqlite_registry, ModelVersion("iris", 1, source=source))
    assert reason == f"nothing is stored at {source}"


def test_a_bucket_that_is_not_there_is_not_an_absent_file(
    store: Store, sqlite_registry: str
) -> None:
    register(sqlite_registry, "iris", store.missing)
    reason = unreadable(sqlite_registry, ModelVersion("iris", 1, source=store.missing))
    assert reason.startswith(f"cannot list {store.missing}: ")
    assert "bucket does not exist" in reason or "is there such a bucket" in reason


def test_reads_the_mlmodel_file(store: Store, sqlite_registry: str) -> None:
    version = logged(sqlite_registry, store.root, "iris", description())
    registry = MlflowRegistry(sqlite_registry)
    found = registry.describe(version)
    assert isinstance(found, Description)
    model = registry.mlmodel(found.uri)
    assert isinstance(model, MlModel)
    assert model.flavors == ("python_function",)
    assert model.mlflow_version.startswith("3.")
    assert registry.mlmodel(f"{store.root}/nothing/here") is None
    assert isinstance(registry.mlmodel(store.missing), Unchecked)


def test_plans_the_uri_that_the_model_server_reads(
    store: Store, sqlite_registry: str, tmp_path: Path
) -> None:
    version = logged(sqlite_registry, store.root, "iris", description("iris"))
    sample.promote(sqlite_registry, "iris", version.version)
    target = ["--target", f"dir:{tmp_path}/cluster", "--tracking-uri", sqlite_registry]
    result = m2s("plan", "--stage", "Staging", "-o", "json", *target)
    change = result.changes["iris"]
    model_id = version.source.removeprefix("models:/")
    assert change["model_uri"] == f"{store.served}/models/{model_id}/artifacts"
    (field,) = [each for each in change["fields"] if each["path"].endswith("modelUri")]
    assert field["new"] == change["model_uri"]


@pytest.mark.thorough
def test_the_users_map_goes_first(store: Store, sqlite_registry: str, tmp_path: Path) -> None:
    version = logged(sqlite_registry, store.root, "iris", description("iris"))
    sample.promote(sqlite_registry, "iris", version.version)
    target = ["--target", f"dir:{tmp_path}/cluster", "--tracking-uri", sqlite_registry]
    mapped = ["--model-uri-map", f"{store.root}/=mine:bucket/"]
    result = m2s("plan", "--stage", "Staging", "-o", "json", *target, *mapped)
    assert result.changes["iris"]["model_uri"].startswith("mine:bucket/models/m-")


def blocked_reason(uri: str, tmp_path: Path, env: Mapping[str, str]) -> str:
    """Plan in a process of its own, which knows no other credentials; returns why iris is held."""
    target = ["--target", f"dir:{tmp_path}/cluster", "--tracking-uri", uri]
    result = process("plan", "--stage", "Staging", "-o", "json", *target, env=env)
    (change,) = result.document["changes"]
    assert change["action"] == "blocked", result
    assert "Traceback" not in result.err
    return str(change["reason"])


def promoted(uri: str, root: str) -> ModelVersion:
    version = logged(uri, root, "iris", description("iris"))
    sample.promote(uri, "iris", version.version)
    return version


@pytest.mark.thorough
def test_s3_that_denies_is_not_an_absent_file(
    s3: S3, sqlite_registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = on_s3(s3)
    for name, value in made.env.items():
        monkeypatch.setenv(name, value)
    promoted(sqlite_registry, made.root)
    iam: Any = boto3.client("iam", endpoint_url=s3.url)
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    s3.enforce(policies=True)
    try:
        reason = blocked_reason(
            sqlite_registry, tmp_path, s3.env((key["AccessKeyId"], key["SecretAccessKey"]))
        )
    finally:
        s3.enforce(policies=False)
    assert reason.startswith(f"cannot list {made.root}/")
    assert "not authorized" in reason.lower() or "denied" in reason.lower()
    assert key["SecretAccessKey"] not in reason


@pytest.mark.thorough
def test_azure_that_denies_is_not_an_absent_file(
    azure_blob: AzureBlob, sqlite_registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = on_azure(azure_blob)
    for name, value in made.env.items():
        monkeypatch.setenv(name, value)
    promoted(sqlite_registry, made.root)
    wrong = "d3JvbmctYWNjb3VudC1rZXktb2YtdGVzdHM="
    reason = blocked_reason(sqlite_registry, tmp_path, azure_blob.env(wrong))
    assert reason.startswith(f"cannot list {made.root}/")
    assert "permission denied (403)" in reason
    assert wrong not in reason


@pytest.mark.thorough
def test_google_that_denies_is_not_an_absent_file(
    google_storage: GoogleStorage,
    sqlite_registry: str,
    tmp_path: Path,
    fault_proxy: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = on_google(google_storage, monkeypatch)
    promoted(sqlite_registry, made.root)
    proxy: FaultProxy = fault_proxy(google_storage)
    # As Google Cloud Storage words it; the emulator itself knows no permissions.
    message = "reader@x.iam does not have storage.objects.list access to the bucket."
    proxy.answer(403, {"error": {"code": 403, "message": message}}, method="GET")
    reason = blocked_reason(sqlite_registry, tmp_path, google_storage.env(proxy.url))
    assert reason.startswith(f"cannot list {made.root}/")
    assert "permission denied (403)" in reason


@pytest.mark.thorough
def test_what_mlflow_hands_out_is_read_there_and_served_from_the_store_behind(
    mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    number = sample.log_version(mlflow_server.uri, "proxied store", description("proxied"))
    sample.promote(mlflow_server.uri, "proxied store", number)
    flags = [
        *("--stage", "Staging", "--model", "proxied store", "-o", "json"),
        *("--tracking-uri", mlflow_server.uri, "--target", f"dir:{tmp_path}/cluster"),
    ]
    behind = "wasbs://models@acct.blob.core.windows.net/root"
    for there, served in {"s3://b/ml": "s3://b/ml", behind: "azureblob://models/root"}.items():
        result = m2s("plan", *flags, "--model-uri-map", f"mlflow-artifacts:/={there}")
        uri = result.changes["proxied"]["model_uri"]
        assert uri.startswith(f"{served}/0/models/m-")
    (change,) = m2s("plan", *flags).document["changes"]
    assert change["action"] == "blocked"
    assert "--model-uri-map mlflow-artifacts:/=" in change["reason"]
