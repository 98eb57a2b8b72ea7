"""Artifact servers other than the tracking server: asked for files without anybody's credentials.

A version's source is what somebody wrote. MLflow's client would send the tracking server's user,
password or token to whatever host it names.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urlsplit

from m2s.sources.mlflow import client as mlflow

_SERVICE = "/mlflow-artifacts/artifacts"
_LONGEST_LIST = 16 * 1024 * 1024
"""Bytes of a listing that are read."""
_PORTS = {"http": 80, "https": 443}
_OK = 200


class Refusal(Exception):
    """What an artifact server answered instead of what was asked for."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A folder that another artifact server has, by its path as MLflow's artifact service names it.

    ``server`` is the URL up to where that service begins.
    """

    server: str
    folder: str

    def entries(self) -> list[mlflow.FileInfo]:
        """Return the files and folders right under it; Refusal: the answer is no listing."""
        content = self._ask(f"{_SERVICE}?path={quote(self.folder, safe='')}", _LONGEST_LIST)
        try:
            files = json.loads(content).get("files", [])
            return [_entry(each) for each in files]
        except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
            raise Refusal("the answer is no listing of MLflow's") from error

    def read(self, name: str, longest: int) -> bytes:
        """Return a file right under it, its first ``longest`` bytes; Refusal: it is not given."""
        path = f"{self.folder}/{name}" if self.folder else name
        return self._ask(f"{_SERVICE}/{quote(path)}", longest)

    def _ask(self, path: str, longest: int) -> bytes:
        status, content = mlflow.get(mlflow.nobody(self.server), path, longest)
        if status != _OK:
            why = "no credentials are sent there, as it is not the tracking server"
            raise Refusal(f"it answers {status}; {why}")
        return content


def elsewhere(uri: str, tracking_uri: str) -> Elsewhere | None:
    """Return the folder of ``uri`` where that is of another server; None for every other URI.

    ValueError: the URI is malformed; MlflowException: there is no tracking server to tell how that
    one is spoken to.
    """
    parts = urlsplit(uri)
    if parts.scheme == "mlflow-artifacts" and parts.netloc:
        parts = urlsplit(mlflow.artifacts_url(uri, tracking_uri))
    if parts.scheme not in _PORTS or _origin(parts) == _origin(urlsplit(tracking_uri)):
        return None
    before, service, folder = parts.path.partition(_SERVICE)
    if not service:
        raise ValueError("it is no artifact service of MLflow's, and not the tracking server")
    return Elsewhere(f"{parts.scheme}://{parts.netloc}{before}", folder.strip("/"))


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def _entry(said: dict[str, object]) -> mlflow.FileInfo:
    path, size = said["path"], said.get("file_size", 0)
    if not isinstance(path, str) or not isinstance(size, int | str):
        raise TypeError
    return mlflow.FileInfo(path, bool(said.get("is_dir")), int(size))
