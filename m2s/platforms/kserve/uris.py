"""Pure: a model's URI in the words of KServe's storage initializer."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from m2s.platforms.common import rclone
from m2s.platforms.common.locating import Unfamiliar, replacement, scheme

_SCHEMES = frozenset({"s3", "gs", "hdfs", "webhdfs", "hf", "pvc", "oci", "http", "https"})
"""What KServe 0.20 reads as it is installed (its ClusterStorageContainer ``default``, and the
controller's own ``pvc`` and ``oci``)."""
_AZURE = re.compile(r"https://[^/]+\.(?:blob|file)\.core\.[^/]+/[^/]+(?:/.*)?")
_HADOOP = re.compile(
    r"(?i:wasbs?|abfss?)://(?P<container>[^@/]+)@(?P<account>[^@/.]+)\.(?:blob|dfs)\."
    r"(?P<suffix>[^@/]+)(?P<path>/.*)?"
)
_HADOOP_NAMES = ("wasb", "wasbs", "abfs", "abfss")
_ARCHIVE = re.compile(r".*\.(?:tar|tar\.gz|tgz|zip|git)")
_BUCKET = {"s3a": "s3", "s3n": "s3", "r2": "s3", "b2": "s3"}
"""Other names for what S3's protocol reads; the endpoint is the Secret's to know."""


def readable(uri: str) -> str:
    """Return a storage URI as KServe's storage initializer reads it.

    - Azure's ``wasb[s]://`` and ``abfs[s]://CONTAINER@ACCOUNT…`` become
      ``https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH``;
    - the web addresses of S3 and Google Cloud Storage become ``s3://`` and ``gs://``;
    - S3's end with a slash: without it the initializer takes what stands beside the folder as well
      (kserve-storage, ``_download_s3``: all objects of that prefix).

    Raises:
        ValueError: it does not say all that is needed.
        Unfamiliar: as KServe is installed, nothing reads it.
    """
    if found := _HADOOP.fullmatch(uri):
        host = f"{found['account']}.blob.{found['suffix']}"
        return f"https://{host}/{found['container']}{found['path'] or ''}"
    if scheme(uri) in _HADOOP_NAMES:
        raise ValueError(
            f"{uri} does not name both a container and an account: Azure's URIs are "
            "wasbs://CONTAINER@ACCOUNT.blob.core.windows.net/PATH; correct it, or replace it with "
            + replacement(f"{scheme(uri)}://", "https://ACCOUNT.blob.core.windows.net/CONTAINER/")
        )
    if _AZURE.fullmatch(uri):
        return uri
    read = rclone.spelled(uri)
    if read.startswith(f"{rclone.DEFAULT_AZURE_REMOTE}:") and read != uri:
        return uri
    name = scheme(read)
    if name in _BUCKET:
        read, name = f"{_BUCKET[name]}{read[len(name) :]}", _BUCKET[name]
    if name not in _SCHEMES or (name.startswith("http") and not _is_archive(read)):
        raise Unfamiliar(uri)
    return f"{read.rstrip('/')}/" if name == "s3" else read


def _is_archive(uri: str) -> bool:
    return bool(_ARCHIVE.fullmatch(urlsplit(uri).path))
