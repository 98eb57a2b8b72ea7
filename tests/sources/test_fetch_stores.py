"""``m2s fetch`` from real stores, and a file that is larger than the memory it may take."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from azure.storage.blob import BlobServiceClient
from google.cloud import storage as google

from tests.kits.support import process
from tests.servers import FaultProxy, MlflowServer
from tests.servers.storage import ACCOUNT, S3, SOMEBODY, AzureBlob, GoogleStorage
from tests.sources.test_fetch import BROUGHT, FILES, there

pytestmark = pytest.mark.slow
LARGE = 200 * 1024 * 1024
"""Bytes of a file."""


def filled_s3(server: S3, name: str) -> Any:
    client = boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=SOMEBODY[0],
        aws_secret_access_key=SOMEBODY[1],
    )
    client.create_bucket(Bucket=name)
    for path, content in FILES.items():
        client.put_object(Bucket=name, Key=f"ml/{path}", Body=content)
    client.put_object(Bucket=name, Key="ml/model2/MLmodel", Body=b"a neighbour")
    client.put_object(Bucket=name, Key="ml/model/", Body=b"")  # a console's folder
    return client


def brought(uri: str, folder: Path, env: dict[str, str]) -> None:
    for words in ("Fetched: 3 files", "Was there already: 3 files"):
        result = process("fetch", uri, str(folder), env=env)
        assert result.code == 0, result
        assert result.err.startswith(words)
    assert there(folder) == BROUGHT


def test_from_s3(s3: S3, tmp_path: Path) -> None:
    client = filled_s3(s3, "fetch-s3")
    brought("s3://fetch-s3/ml/model", tmp_path / "a", dict(s3.env()))
    brought("s3://fetch-s3/ml/model/", tmp_path / "b", dict(s3.env()))
    client.put_object(Bucket="fetch-s3", Key="ml/model/../x", Body=b"out")
    result = process("fetch", "s3://fetch-s3/ml/model", str(tmp_path / "c"), env=s3.env())
    assert result.code == 1
    assert "no safe file name" in result.error
    assert not (tmp_path / "c").exists()


def test_s3_that_is_busy_or_breaks_off(
    s3: S3, fault_proxy: Callable[[Any], FaultProxy], tmp_path: Path
) -> None:
    filled_s3(s3, "fetch-busy")
    proxy = fault_proxy(s3)
    proxy.answer(503, method="GET", times=2)
    proxy.cut(at_byte=100_000, path="model.pkl", method="GET", times=1)
    env = {**s3.env(), "MLFLOW_S3_ENDPOINT_URL": proxy.url}
    brought("s3://fetch-busy/ml/model", tmp_path / "a", env)


def test_s3_that_denies(s3: S3, fault_proxy: Callable[[Any], FaultProxy], tmp_path: Path) -> None:
    proxy = fault_proxy(s3)
    proxy.answer(403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
    env = {**s3.env(), "MLFLOW_S3_ENDPOINT_URL": proxy.url}
    result = process("fetch", "s3://denied/ml/model", str(tmp_path / "a"), env=env)
    assert result.code == 1
    assert result.error.endswith("give the store's credentials in the environment")
    assert SOMEBODY[1] not in result.error
    assert proxy.count() <= 2
    result = process("fetch", "s3://b/m", str(tmp_path / "a"), env={"AWS_DEFAULT_REGION": "eu"})
    assert result.code == 1
    assert not (tmp_path / "a").exists()


def test_from_azure(azure_blob: AzureBlob, tmp_path: Path) -> None:
    connection = azure_blob.env()["AZURE_STORAGE_CONNECTION_STRING"]
    with BlobServiceClient.from_connection_string(connection) as service:
        container = service.create_container("fetch-azure")
        for path, content in {**FILES, "model2/MLmodel": b"a neighbour"}.items():
            container.upload_blob(f"ml/{path}", content)
    uri = f"wasbs://fetch-azure@{ACCOUNT}.blob.core.windows.net/ml/model"
    brought(uri, tmp_path / "a", dict(azure_blob.env()))


def test_from_google(
    google_storage: GoogleStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", google_storage.url)
    bucket = google.Client.create_anonymous_client().create_bucket("fetch-google")
    for path, content in {**FILES, "model2/MLmodel": b"a neighbour"}.items():
        bucket.blob(f"ml/{path}").upload_from_string(content)
    brought("gs://fetch-google/ml/model", tmp_path / "a", dict(google_storage.env()))


_MEASURED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
sys.exit(code)
"""


def taken(argv: list[str]) -> int:
    """Run m2s and return the most memory that it took, in bytes."""
    command = [sys.executable, "-c", _MEASURED, sys.executable, "-m", "m2s", *argv]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("known", [True, False])
def test_a_large_file_is_not_held_in_memory(
    mlflow_server_factory: Callable[..., MlflowServer], tmp_path: Path, known: bool
) -> None:
    server = mlflow_server_factory()
    stored = server.database.parent / "artifacts" / "9"
    for name, size in {"small": 1, "large": LARGE}.items():
        (stored / name).mkdir(parents=True)
        with (stored / name / "model.pkl").open("wb") as file:
            for _ in range(size // 1024 // 1024):
                file.write(os.urandom(1024 * 1024))
    where = ["--tracking-uri", server.url] if known else []
    service = f"{server.url}/api/2.0/mlflow-artifacts/artifacts"
    root = "mlflow-artifacts:/9" if known else f"{service}/9"
    few = taken(["fetch", f"{root}/small", str(tmp_path / "small"), *where])
    many = taken(["fetch", f"{root}/large", str(tmp_path / "large"), *where])
    assert (tmp_path / "large" / "model.pkl").stat().st_size == LARGE
    assert many - few < LARGE // 8
