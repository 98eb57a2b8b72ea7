"""Pure: a model's URI as rclone reads it, and the remote that reads it.

Seldon Core's storage initializer, an image of its own that any pod can start with, runs ``rclone
copy MODEL_URI /mnt/models`` (seldon-core, components/rclone-storage-initializer/Dockerfile). So a
URI's scheme is the name of an rclone remote, which a Secret configures in variables,
``RCLONE_CONFIG_<REMOTE>_<OPTION>`` (seldon-core, doc/source/servers/overview.md).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import unquote, urlsplit

from m2s.platforms.common.locating import Unfamiliar, has_own_host, replacement

DEFAULT_AZURE_REMOTE = "azureblob"
"""The remote's name in Seldon Core's own example of a Secret for Azure Blob."""

# Other names that a remote for Azure goes by, the schemes themselves included.
_AZURE_REMOTES = (DEFAULT_AZURE_REMOTE, "azure", "wasbs", "wasb", "abfss", "abfs", "az", "blob")
# Options by which a remote of any other name is known for Azure's (rclone.org/azureblob).
_AZURE_OPTIONS = ("ACCOUNT", "SAS_URL", "CONNECTION_STRING")
_HADOOP = re.compile(r"(?i:wasbs?|abfss?)://(?P<container>[^@/]*)@(?P<host>[^/]*)(?P<path>/.*)?")
_NO_CONTAINER = re.compile(r"(?i:wasbs?|abfss?)://(?P<host>[^@/]+\.(?:blob|dfs)\.[^@/]*)(/.*)?")
# mlflow/store/artifact, r2_artifact_repo.py and b2_artifact_repo.py: BUCKET@ENDPOINT.
_AT_ENDPOINT = re.compile(r"(?P<remote>(?i:r2|b2))://(?P<bucket>[^@/]+)@[^@/]+(?P<path>/.*)?")
_NO_BUCKET = re.compile(
    r"(?i:s3|s3a|s3n|gs|gcs|r2|b2|wasbs?|abfss?|azureblob|azure|az|pvc):(?://\s*(?:/.*)?|/)?"
)
# Hosts whose web addresses have the bucket in front, and those that have it in the path.
_WITH_BUCKET = (
    (
        "s3",
        r"(.+)\.s3(?!-(?:accesspoint|outposts|object-lambda))(?:[.-].+)?\.amazonaws\.com(?:\.cn)?",
    ),
    ("gs", r"(.+)\.storage\.googleapis\.com"),
    ("b2", r"(.+)\.s3\.[^.]+\.backblazeb2\.com"),
    ("r2", r"([^.]+)\.[0-9a-f]{32}(?:\.[a-z]+)?\.r2\.cloudflarestorage\.com"),
)
_WITHOUT_BUCKET = (
    (DEFAULT_AZURE_REMOTE, r"[^.]+(?:\.z\d+)?\.(?:blob|dfs)\.(?:core|storage)\..+"),
    ("s3", r"s3(?:[.-].+)?\.amazonaws\.com(?:\.cn)?"),
    ("gs", r"storage\.googleapis\.com|storage\.cloud\.google\.com"),
    ("b2", r"s3\.[^.]+\.backblazeb2\.com"),
    ("r2", r"[0-9a-f]{32}(?:\.[a-z]+)?\.r2\.cloudflarestorage\.com"),
)
_NO_FOLDERS = ("/storage/v1/", "/download/storage/", "/upload/storage/")  # Google's JSON API
# The storage initializer's image has it: ENV RCLONE_CONFIG_GS_TYPE, RCLONE_CONFIG_GS_ANONYMOUS.
_BUILT_IN = "gs"


def readable(uri: str) -> str:
    """Return a storage URI as rclone reads it.

    What only tells where a store is, is the remote's to know and leaves the URI:

    - Hadoop's forms for Azure, ``wasb[s]://`` and ``abfs[s]://CONTAINER@ACCOUNT…/PATH``, become
      ``azureblob://CONTAINER/PATH``;
    - MLflow's ``r2://`` and ``b2://BUCKET@ENDPOINT/PATH`` lose the endpoint;
    - the web addresses of S3, Google Cloud Storage, Azure Blob Storage, Cloudflare R2 and
      Backblaze B2 become ``REMOTE://BUCKET/PATH``.

    Every other URI, ``s3://`` and ``gs://`` among them, is one that rclone reads already.

    Raises:
        ValueError: it does not say all that is needed: bucket, or container and account.
        Unfamiliar: it has no remote, or its host, which the remote has to know, would be a folder.
    """
    read = spelled(uri)
    if read == uri and has_own_host(uri):
        raise Unfamiliar(uri)
    return read


def spelled(uri: str) -> str:
    """Return a storage URI as :func:`readable` does, or as it is.

    Raises:
        ValueError: as there.
    """
    found = _HADOOP.fullmatch(uri)
    if found and found["container"] and found["host"]:
        return f"{DEFAULT_AZURE_REMOTE}://{found['container']}{found['path'] or ''}"
    alone = _NO_CONTAINER.fullmatch(uri)
    if found or (alone and re.search(r"[^@/]\.(blob|dfs)\.", alone["host"])):
        raise ValueError(
            f"{uri} does not name both a container and an account: Azure's URIs are "
            "wasbs://CONTAINER@ACCOUNT.blob.core.windows.net/PATH; correct it, or replace it with "
            # the URI up to the end of its host, with the slash behind it if it has one
            + replacement(re.sub(r"(://[^/]*/?).*", r"\1", uri), "azureblob://CONTAINER")
        )
    if found := _AT_ENDPOINT.fullmatch(uri):
        return f"{found['remote']}://{found['bucket']}{found['path'] or ''}"
    if _NO_BUCKET.fullmatch(uri):
        raise ValueError(_no_bucket(uri))
    return _of_web(uri) or uri


def _no_bucket(uri: str) -> str:
    scheme = uri.partition(":")[0]
    what = "claim" if scheme.lower() == "pvc" else "bucket"
    line = f"{uri} names no {what}: correct it"
    if not uri.startswith(f"{scheme}:///"):
        return line
    to = f"{scheme}://{what.upper()}/PATH"
    return f"{line}, or replace it with {replacement(f'{scheme}:///', to)}"


def _of_web(uri: str) -> str:
    """Return the folder in a store that a web address names, "" for any other address."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        return ""
    host, path = parts.hostname or "", unquote(parts.path)
    for name, form in _WITH_BUCKET:
        if found := re.fullmatch(form, host):
            return f"{name}://{found[1]}{path}"
    for name, form in _WITHOUT_BUCKET:
        if re.fullmatch(form, host) and path.strip("/") and not path.startswith(_NO_FOLDERS):
            return f"{name}://{path.lstrip('/')}"
    return ""


def remote(uri: str) -> str:
    """Return the rclone remote that a model URI names, "" for a claim (``pvc:``) or a path."""
    found = re.match(r"([\w.+@-]+):", uri)
    name = found[1] if found else ""
    return "" if name == "pvc" else name


def remotes(keys: Collection[str]) -> frozenset[str]:
    """Return the remotes, in lower case, that variables of these names configure."""
    found = (re.fullmatch(r"RCLONE_CONFIG_(.+)_TYPE", key) for key in keys)
    return frozenset(match[1].lower() for match in found if match)


def type_key(name: str) -> str:
    """Return the variable that a remote cannot do without."""
    return f"RCLONE_CONFIG_{name.upper()}_TYPE"


def configures(keys: Collection[str], name: str) -> bool:
    """Whether variables of these names make the remote ``name`` usable for a private store."""
    if "RCLONE_CONFIG" in keys:  # a whole configuration file, which cannot be seen from here
        return True
    if name.lower() == _BUILT_IN:
        return any(key.startswith("RCLONE_CONFIG_GS_") for key in keys)
    return type_key(name) in keys


def renamed(uri: str, keys: Collection[str]) -> str:
    """Return a URI of Azure's default remote under the name that a Secret's keys give that remote.

    A Secret that configures no remote for Azure leaves the URI as it is.
    """
    scheme, colon, rest = uri.partition(":")
    if scheme != DEFAULT_AZURE_REMOTE or not colon:
        return uri
    return f"{_azure_remote(keys)}:{rest}"


def _azure_remote(keys: Collection[str]) -> str:
    there = remotes(keys)
    known = [name for name in _AZURE_REMOTES if name in there]
    like = [
        name
        for name in sorted(there)
        for option in _AZURE_OPTIONS
        if f"RCLONE_CONFIG_{name.upper()}_{option}" in keys
    ]
    return (*known, *like, DEFAULT_AZURE_REMOTE)[0]
