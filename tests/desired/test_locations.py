"""A location in any form that MLflow or a person writes: mapped, converted, or what to type."""

from __future__ import annotations

import shlex

import pytest
from mlflow.store.artifact.artifact_repository_registry import (
    get_registered_artifact_repositories,
)

from m2s.platforms.common import locating
from m2s.platforms.common.locating import UriMap, scheme
from m2s.platforms.problem import Problem
from m2s.platforms.seldon.storage import readable
from m2s.settings.build import build


def servable(uri: str, uri_map: UriMap) -> str:
    """Where a model lies, in the words of Seldon Core's rclone."""
    return locating.servable(uri, uri_map, None, None, readable)


MAP = [("mlflow-artifacts:/", "s3://bucket/mlflow")]
BEHIND = "s3://bucket/mlflow/1/abc/artifacts/model"
PROXY = "api/2.0/mlflow-artifacts/artifacts"

UNSERVABLE = [
    "/data/m", "/data/my models/m", "./mlruns/1/abc", "../mlruns/1", "mlruns/1/abc", "model",
    "~/mlruns/1", r"C:\mlruns\1\abc", "C:/mlruns/1/abc", r"d:\m", r"\\server\share\mlruns\1",
    "//server/share/mlruns", r".\mlruns\1", r"\mlruns\1", r"mlruns\1", r"C:mlruns\1",
    "file:///data/m", "file:/data/m", "file:data/m", "file:./m", "file://localhost/data/m",
    "file://server/share/m", "file:///C:/mlruns/1", "file:///c:/my%20models/1", r"file:C:\m",
    "FILE:///data/m", "file:///data/100%25/m", "dbfs:/models/1", "dbfs:///models/1",
    "dbfs://profile@databricks/models/1", "dbfs:/Volumes/a/b/c", "mlflow-artifacts:/1/abc",
    "mlflow-artifacts:1/abc", "mlflow-artifacts:///1/abc", "mlflow-artifacts://host:5000/1/abc",
    f"http://host:5000/{PROXY}/1/abc", f"https://host/mlflow/{PROXY}/1/abc",
    f"https://host/ajax-{PROXY}/1/abc", "hdfs://namenode:8020/models/1", "viewfs://cluster/m",
    "ftp://host/m", "sftp://host:22/m", "http://host/m", "https://minio.corp:9000/bucket/m",
    "https://storage.googleapis.com/storage/v1/b/bucket/o/m", "uc:/main.default.iris", "s3:///m",
    "gs:///m/1", "azureblob:///m", "pvc:///m", "wasbs://@acct.blob.core.windows.net/m",
    "wasbs://acct.blob.core.windows.net/models/m", "abfss://models@/m",
]  # fmt: skip


@pytest.mark.parametrize("uri", UNSERVABLE)
def test_what_is_refused_says_what_to_type_and_typing_it_helps(uri: str) -> None:
    with pytest.raises(Problem) as refused:
        servable(uri, ())
    _, option, typed = str(refused.value).rpartition("--model-uri-map ")
    assert option, refused.value
    flags = shlex.split(f"{option}{typed}")
    assert flags[0] == "--model-uri-map"
    assert len(flags) == 2, "a shell takes it for several words"
    chosen = build({"stage": ["Staging"], "model-uri-map": flags[1:]}, {})
    read = servable(uri, chosen.uri_map)
    assert read.startswith(("s3://BUCKET/PATH", "gs://BUCKET", "azureblob://", "pvc://CLAIM"))
    assert "\\" not in read
    assert "%20" not in read
    assert "host" not in read
    assert "C:" not in read


@pytest.mark.parametrize(
    "uri",
    [
        "mlflow-artifacts:/1/abc/artifacts/model",
        "mlflow-artifacts:///1/abc/artifacts/model",
        "mlflow-artifacts://host/1/abc/artifacts/model",
        "mlflow-artifacts://host:5000/1/abc/artifacts/model",
        f"http://host:5000/{PROXY}/1/abc/artifacts/model",
        f"https://me@host/prefix/{PROXY}/1/abc/artifacts/model",
        f"https://host/ajax-{PROXY}/1/abc/artifacts/model",
    ],
)
def test_one_map_reaches_the_proxy_by_every_door(uri: str) -> None:
    assert servable(uri, MAP) == BEHIND
    # A map that says more goes first.
    assert servable(uri, [*MAP, (uri, "gs://named")]) == "gs://named"


@pytest.mark.parametrize(
    ("uri", "prefix", "read"),
    [
        (r"C:\mlruns\1\abc", r"C:\mlruns", "s3://b/1/abc"),
        (r"c:\mlruns\1\abc", "C:/mlruns/", "s3://b/1/abc"),
        (r"\\server\share\1", r"\\server\share", "s3://b/1"),
        (r"\\server\share\1", "//server/share/", "s3://b/1"),
        ("file:///C:/my%20models/1", "file:///C:/my models", "s3://b/1"),
        ("file:///C:/my%20models/1", "file:///C:/", "s3://b/my models/1"),
        ("mlflow-artifacts:/my%20runs/1", "mlflow-artifacts:/", "s3://b/my runs/1"),
        ("file:///data/%00/1", "file:/", "s3://b/data/%00/1"),
        ("./mlruns/1", "./mlruns/", "s3://b/1"),
        ("https://minio.corp/models/1", "https://minio.corp/", "s3://b/models/1"),
        ("s3://lake/team=a/1", "s3://lake/team=a/", "s3://b/1"),
        ("gs://bucket/1", "gs:/", "s3://b/bucket/1"),
    ],
)
def test_a_prefix_is_found_however_it_is_spelled(uri: str, prefix: str, read: str) -> None:
    assert servable(uri, [(prefix, "s3://b")]) == read


@pytest.mark.parametrize("short", ["mlflow-artifacts:/", "mlflow-artifacts:", "file:/", "/"])
@pytest.mark.parametrize("uri", ["file://server/share/1", "//server/share/1"])
def test_a_host_never_becomes_a_folder(uri: str, short: str) -> None:
    with pytest.raises(Problem):
        servable(uri, [(short, "s3://b")])


@pytest.mark.parametrize(
    ("uri", "read"),
    [
        ("https://acct.blob.core.windows.net/models/0/m%201", "azureblob://models/0/m 1"),
        ("https://acct.dfs.core.windows.net/models", "azureblob://models"),
        ("https://acct.z13.blob.storage.azure.net/models/1", "azureblob://models/1"),
        ("https://acct.blob.core.chinacloudapi.cn:443/models/1", "azureblob://models/1"),
        ("https://models.s3.eu-west-1.amazonaws.com/0/m", "s3://models/0/m"),
        ("https://models.s3.amazonaws.com/0/m", "s3://models/0/m"),
        ("https://my.models.s3-us-west-2.amazonaws.com/0", "s3://my.models/0"),
        ("https://models.s3.dualstack.eu-west-1.amazonaws.com/0", "s3://models/0"),
        ("https://s3.cn-north-1.amazonaws.com.cn/models/0", "s3://models/0"),
        ("HTTPS://S3.amazonaws.com/models/0", "s3://models/0"),
        ("https://storage.googleapis.com/models/0/m", "gs://models/0/m"),
        ("https://models.storage.googleapis.com/0/m", "gs://models/0/m"),
        ("https://storage.cloud.google.com/models/0", "gs://models/0"),
        (f"https://{'0a' * 16}.r2.cloudflarestorage.com/models/0", "r2://models/0"),
        (f"r2://models@{'0a' * 16}.r2.cloudflarestorage.com/0", "r2://models/0"),
        ("b2://models@s3.us-west-004.backblazeb2.com/0/m", "b2://models/0/m"),
        ("https://s3.us-west-004.backblazeb2.com/models/0", "b2://models/0"),
        ("s3://models/a%20b", "s3://models/a%20b"),
        ("minio://models/0", "minio://models/0"),
        ("s3:models/0", "s3:models/0"),
        ("hdfs:///models/0", "hdfs:///models/0"),
        ("pvc://claim/0", "pvc://claim/0"),
    ],
)
def test_a_store_is_known_by_all_its_addresses(uri: str, read: str) -> None:
    assert servable(uri, ()) == read


def test_what_the_map_names_it_was_told_to_name() -> None:
    same = [("https://host/", "https://host/"), ("hdfs://nn/", "hdfs://nn/")]
    assert servable("https://host/m.zip", same) == "https://host/m.zip"
    assert servable("hdfs://nn/m", same) == "hdfs://nn/m"
    assert servable("mlflow-artifacts:/0", [("mlflow-artifacts:/", "https://h/")]) == "https://h/0"


def test_a_map_that_leads_nowhere_is_named() -> None:
    with pytest.raises(
        Problem, match="file:///x/1, which --model-uri-map or --artifact-root makes"
    ):
        servable("mlflow-artifacts:/1", [("mlflow-artifacts:/", "file:///x/")])


def test_no_hint_has_a_secret() -> None:
    for uri in ("file://me:s3cret@host/m", "https://me:s3cret@host/m", "viewfs://me:s3cret@c/m"):
        with pytest.raises(Problem) as refused:
            servable(uri, ())
        assert "s3cret" not in str(refused.value)


# What MLflow's own artifact stores are called, and one location of each.
OF_MLFLOW = {
    "": "/data/m", "file": "file:///data/m", "s3": "s3://bucket/m", "gs": "gs://bucket/m",
    "r2": "r2://bucket@acct.r2.cloudflarestorage.com/m", "b2": "b2://bucket@s3.eu.backblazeb2.com/m",
    "wasbs": "wasbs://c@acct.blob.core.windows.net/m", "abfss": "abfss://c@acct.dfs.core.windows.net/m",
    "ftp": "ftp://host/m", "sftp": "sftp://host/m", "dbfs": "dbfs:/m", "hdfs": "hdfs://host/m",
    "viewfs": "viewfs://host/m", "runs": "runs:/abc/m", "models": "models:/m/1",
    "http": "http://host/m", "https": "https://host/m", "mlflow-artifacts": "mlflow-artifacts:/m",
}  # fmt: skip
READ = {"s3", "gs", "r2", "b2", "wasbs", "abfss"}


@pytest.mark.parametrize("name", sorted(get_registered_artifact_repositories()))
def test_each_of_mlflows_artifact_stores_is_known(name: str) -> None:
    uri = OF_MLFLOW[name]
    assert scheme(uri) == name
    if name in READ:
        assert "@" not in servable(uri, ())
        return
    with pytest.raises(Problem, match="--model-uri-map"):
        servable(uri, ())
