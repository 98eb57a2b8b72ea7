"""Artifact servers other than the tracking server: asked for files without anybody's credentials.

A version's source is what somebody wrote. MLflow's client would send the tracking server's user,
password or token to whatever host it names.
"""

import json
import posixpath
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, quote, urlsplit

from m2s.sources.mlflow import client as mlflow

SERVICE = "/mlflow-artifacts/artifacts"
_LONGEST_LIST = 16 * 1024 * 1024
"""Bytes of a listing that are read."""
_PORTS = {"http": 80, "https": 443}


class Declined(Exception):
    """What an artifact server answered instead of what was asked for, with its ``status``."""

    status = 0


def _check(status: int) -> None:
    if status != mlflow.OK:
        why = "no credentials are sent there, as it is not the tracking server"
        declined = Declined(f"it answers {status}; {why}")
        declined.status = status
        raise declined


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A folder that another artifact server has, by its path as MLflow's artifact service names it.

    ``server`` is the URL up to where that service begins.
    """

    server: str
    folder: str

    def entries(self, below: str = "") -> list[mlflow.FileInfo]:
        """Return the files and folders right under it, or right under ``below`` in it.

        Their paths begin with ``below``. Declined: the answer is no listing.
        """
        folder = quote(f"{self.folder}/{below}".strip("/"), safe="")
        content = self._ask(f"{SERVICE}?path={folder}", _LONGEST_LIST)
        try:
            files = json.loads(content).get("files", [])
            return [_entry(below, each) for each in files]
        except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
            raise Declined("the answer is no listing of MLflow's") from error

    def read(self, name: str, longest: int) -> bytes:
        """Return a file right under it, its first ``longest`` bytes; Declined: it is not given."""
        return self._ask(self._file(name), longest)

    def save(self, name: str, to: str) -> None:
        """Write a file somewhere under it to the path ``to``; Declined: it is not given."""
        _check(mlflow.save(mlflow.nobody(self.server), self._file(name), Path(to)))

    def _file(self, name: str) -> str:
        return f"{SERVICE}/{quote(f'{self.folder}/{name}'.lstrip('/'))}"

    def _ask(self, path: str, longest: int) -> bytes:
        status, content = mlflow.get(mlflow.nobody(self.server), path, longest)
        _check(status)
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
    before, service, folder = parts.path.partition(SERVICE)
    if not service:
        raise ValueError("it is no artifact service of MLflow's, and not the tracking server")
    return Elsewhere(f"{parts.scheme}://{parts.netloc}{before}", folder.strip("/"))


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def _entry(below: str, said: dict[str, object]) -> mlflow.FileInfo:
    path, size = said["path"], said.get("file_size", 0)
    if not isinstance(path, str) or not isinstance(size, int | str):
        raise TypeError
    path = posixpath.join(below, path)
    return mlflow.FileInfo(path, bool(said.get("is_dir")), int(size))
