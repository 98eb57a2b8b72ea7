"""A model's URI as Seldon Core's rclone reads it, and which remote a Secret's keys configure."""

from __future__ import annotations

import pytest

from m2s.platforms.common import rclone
from tests.kits.worlds import World

HOST = "acct.blob.core.windows.net"


@pytest.mark.parametrize(
    ("uri", "read"),
    [
        (f"wasbs://models@{HOST}/0/m-1/artifacts", "azureblob://models/0/m-1/artifacts"),
        (f"wasb://models@{HOST}/0", "azureblob://models/0"),
        (f"WASBS://models@{HOST}/0", "azureblob://models/0"),
        ("abfss://models@acct.dfs.core.windows.net/0", "azureblob://models/0"),
        ("abfs://models@acct.dfs.core.chinacloudapi.cn/0", "azureblob://models/0"),
        (f"wasbs://models@{HOST}", "azureblob://models"),
        (f"wasbs://models@{HOST}/", "azureblob://models/"),
        (f"wasbs://$root@{HOST}/a b/100%", "azureblob://$root/a b/100%"),
        ("wasbs://models/0/m-1", "wasbs://models/0/m-1"),  # rclone's own form, a remote "wasbs"
        ("azureblob:models/0", "azureblob:models/0"),
        ("s3://b/0/m-1/artifacts", "s3://b/0/m-1/artifacts"),
        ("gs://b/0", "gs://b/0"),
        ("pvc://claim/0", "pvc://claim/0"),
        ("minio:b/user@host/0", "minio:b/user@host/0"),
    ],
)
def test_a_uri_as_rclone_reads_it(uri: str, read: str) -> None:
    assert rclone.readable(uri) == read
    assert rclone.readable(read) == read


@pytest.mark.parametrize(
    "uri", [f"wasbs://@{HOST}/x", "abfss://models@/x", f"wasbs://{HOST}/models/x"]
)
def test_half_an_azure_uri_is_a_blocked_row_in_one_line(uri: str, on_folder: World) -> None:
    on_folder.models.add("iris", source=uri)
    change = on_folder.plan()["iris-staging"]
    assert change["action"] == "blocked"
    assert change["reason"].startswith(f"{uri} does not name both a container and an account")
    assert "--model-uri-map" in change["reason"]


def test_a_secret_in_an_azure_uri_is_refused_and_hidden(on_folder: World) -> None:
    on_folder.models.add("iris", source=f"wasbs://models@{HOST}/0?sig=s3cr3t-signature")
    change = on_folder.plan()["iris-staging"]
    assert change["action"] == "blocked"
    assert "carries a secret" in change["reason"]
    assert "s3cr3t" not in str(change)


@pytest.mark.parametrize(
    ("uri", "remote"),
    [
        ("s3://b/x", "s3"),
        ("s3:b/x", "s3"),
        ("my-store.2:b/x", "my-store.2"),
        ("pvc://claim/x", ""),
        ("/mnt/models", ""),
        (":s3,provider=AWS:b/x", ""),
    ],
)
def test_the_scheme_is_the_remote(uri: str, remote: str) -> None:
    assert rclone.remote(uri) == remote


def keys(*names: str) -> frozenset[str]:
    return frozenset(f"RCLONE_CONFIG_{name}" for name in names)


@pytest.mark.parametrize(
    ("there", "remote", "configured"),
    [
        (keys("S3_TYPE", "S3_PROVIDER"), "s3", True),
        (keys("S3_PROVIDER"), "s3", False),
        (keys("s3_type"), "s3", False),  # rclone asks for the variable in capitals
        (keys("MINIO_TYPE"), "s3", False),
        (frozenset({"AWS_ACCESS_KEY_ID"}), "s3", False),
        (keys("GS_SERVICE_ACCOUNT_CREDENTIALS"), "gs", True),  # the image has its type
        (keys("GCS_TYPE"), "gs", False),
        (frozenset({"RCLONE_CONFIG"}), "anything", True),
    ],
)
def test_whether_a_secret_configures_a_remote(
    there: frozenset[str], remote: str, configured: bool
) -> None:
    assert rclone.configures(there, remote) is configured


@pytest.mark.parametrize(
    ("there", "uri"),
    [
        (keys("AZUREBLOB_TYPE", "WASBS_TYPE"), "azureblob://c/x"),
        (keys("WASBS_TYPE"), "wasbs://c/x"),
        (keys("S3_TYPE", "AZURE_TYPE"), "azure://c/x"),
        (keys("ML_TYPE", "ML_ACCOUNT", "S3_TYPE"), "ml://c/x"),
        (keys("ML_TYPE", "ML_SAS_URL"), "ml://c/x"),
        (keys("S3_TYPE", "S3_ACCESS_KEY_ID"), "azureblob://c/x"),
        (frozenset(), "azureblob://c/x"),
    ],
)
def test_azures_remote_is_called_what_the_secret_calls_it(there: frozenset[str], uri: str) -> None:
    assert rclone.renamed("azureblob://c/x", there) == uri
    assert rclone.renamed("s3://c/x", there) == "s3://c/x"
