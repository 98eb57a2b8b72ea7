"""Finding and reading ``deploy.yaml`` through MLflow's own artifact API, whatever the store.

The one question that matters is whether "there is none" may be believed. An object store lists a
folder that does not exist as empty, and so does MLflow for a local path of another machine.
"""

import posixpath
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit
from urllib.request import url2pathname

from m2s.base import mask
from m2s.domain.versions import DeployFile
from m2s.sources.mlflow.client import FileInfo, get_artifact_repository, list_artifacts
from m2s.sources.mlflow.elsewhere import elsewhere
from m2s.sources.mlflow.trouble import brief, diagnose

FILE_NAME = "deploy.yaml"
MAX_DEPLOY_FILE = 1024 * 1024
"""Bytes. etcd takes requests of 1.5 MiB (etcd.io/docs, "System limits: Request size limit"), and a
manifest travels with m2s's annotations and the API server's managedFields."""

_NEAR = re.compile(r"(?i)deploy(ment)?\.(ya?ml|json)(\.txt)?")
_FOLDERS = 5
"""How many folders of a run m2s searches for a deploy.yaml in a wrong place."""
_INSIDE = ("artifacts", "code")
"""Where ``pyfunc.log_model`` puts what is passed as ``artifacts=`` and ``code_paths=``."""


class StoreError(Exception):
    """One version's files cannot be read; the text is one line."""


class FoundFile(NamedTuple):
    """A deploy.yaml, or None; then ``near`` tells what may be meant for one, and where."""

    file: DeployFile | None
    near: str = ""


@dataclass(frozen=True, slots=True)
class Store:
    """Artifact stores as a tracking server's client reaches them.

    ``tracking_uri`` resolves ``mlflow-artifacts:`` URIs, ``scrub`` hides its credentials in a text.
    """

    tracking_uri: str
    scrub: Callable[[str], str] = mask.text

    def find(self, run: str, run_uri: str, model_uri: str, *, again: bool = False) -> FoundFile:
        """Return the deploy.yaml of a run's own artifacts, else of the model's folder.

        ``run_uri`` is the root of the artifacts of ``run``, an id, or "" for a version without a
        run; ``model_uri`` is the resolved folder of the model. ``again``: both places had none
        before, and only to the run can it have been logged since.

        There is no file only when both places were read and the model was seen to be there.
        StoreError: a place cannot be listed or read, is not to be believed, or has a file of more
        than MAX_DEPLOY_FILE bytes.
        """
        logged = self.entries(run_uri) if run_uri else []
        if file := self._in(run_uri, f"{FILE_NAME} of run {run}", logged):
            return FoundFile(file)
        stored = [] if again else self.entries(model_uri)
        if file := self._in_model(model_uri, stored):
            return FoundFile(file)
        self._check_absence(run_uri, model_uri, stored, again=again)
        near = _meant(logged) or ("" if again else self._deeper(run_uri, model_uri, logged))
        if near or not _meant(stored):
            return FoundFile(None, f"{near} in the run" if near else "")
        return FoundFile(None, f"{_meant(stored)} in the model's folder")

    def _deeper(self, run_uri: str, model_uri: str, logged: list[FileInfo]) -> str:
        """Return a file in a folder of the run that may be meant for the deploy.yaml, or ""."""
        for name in [_name(entry) for entry in logged if entry.is_dir][:_FOLDERS]:
            if _NEAR.fullmatch(name):
                return f"{name}/"
            folder = child(run_uri, name)
            with suppress(StoreError):  # nobody said that it is there
                if folder != model_uri and (found := _meant(self.entries(folder), deep=True)):
                    return f"{name}/{found}"
        return ""

    def _in_model(self, uri: str, entries: list[FileInfo]) -> DeployFile | None:
        folders = {_name(entry) for entry in entries if entry.is_dir}
        if file := self._in(uri, f"{FILE_NAME} in {self.scrub(uri)}", entries):
            return file
        for name in _INSIDE:
            inner = child(uri, name)
            origin = f"{FILE_NAME} in {self.scrub(inner)}"
            if name in folders and (file := self._in(inner, origin, self.entries(inner))):
                return file
        return None

    def _in(self, folder: str, origin: str, entries: list[FileInfo]) -> DeployFile | None:
        for entry in entries:
            if _name(entry) == FILE_NAME and not entry.is_dir:
                size = entry.file_size or 0
                _refuse_large(origin, size)
                content = self.read(folder, FILE_NAME, origin)
                if len(content) < size:
                    raise StoreError(f"{origin} broke off: {len(content)} of {size} bytes came")
                return DeployFile(origin, content)
        return None

    def _check_absence(
        self, run_uri: str, model_uri: str, stored: list[FileInfo], *, again: bool
    ) -> None:
        """Raise a StoreError unless "there is none" is to be believed."""
        if not again and not stored:
            parent, _, name = model_uri.rstrip("/").rpartition("/")
            if name not in {_name(entry) for entry in self.entries(parent) if not entry.is_dir}:
                where = f"{self.scrub(model_uri)}{not_here(model_uri)}"
                raise StoreError(f"nothing is stored at {where}")
        if (why := not_here(run_uri)) and local_path(model_uri) is None:
            raise StoreError(f"the run's artifacts at {run_uri} cannot be read{why}")

    def entries(self, uri: str) -> list[FileInfo]:
        """Return the files and folders right under ``uri``, [] where there are none."""
        try:
            if found := elsewhere(uri, self.tracking_uri):
                return found.entries()
            return list_artifacts(artifact_uri=uri, tracking_uri=self.tracking_uri)
        except Exception as error:
            raise self._error(f"cannot list {uri}", uri, error) from error

    def read(self, folder: str, name: str, origin: str) -> bytes:
        """Return the bytes of a file that :meth:`entries` of ``folder`` has."""
        try:
            return self._content(folder, name, origin)
        except StoreError:
            raise
        except Exception as error:
            uri = child(folder, name)
            raise self._error(f"cannot read {uri}", uri, error) from error

    def _content(self, folder: str, name: str, origin: str) -> bytes:
        if found := elsewhere(folder, self.tracking_uri):
            content = found.read(name, MAX_DEPLOY_FILE + 1)
            _refuse_large(origin, len(content))
            return content
        with TemporaryDirectory(prefix="m2s-") as place:
            local = Path(place) / name
            store = get_artifact_repository(folder, tracking_uri=self.tracking_uri)
            # What every store implements; the public method lists once more before it.
            store._download_file(name, str(local))
            _refuse_large(origin, local.stat().st_size)
            return local.read_bytes()

    def _error(self, doing: str, uri: str, error: BaseException) -> StoreError:
        cause = diagnose(error).cause
        if urlsplit(uri).scheme == "mlflow-artifacts" and "503" in cause:
            cause += ": does the MLflow server run with --serve-artifacts?"
        if cause == "not found (404)":  # what Azure's and Google's clients leave of it
            cause += ": is there such a bucket or container?"
        return StoreError(brief(self.scrub(f"{doing}: {cause}")))


def child(uri: str, name: str) -> str:
    """Return the URI of ``name`` right under ``uri``; a query stays where it was."""
    if "://" not in uri:
        return posixpath.join(uri, name)
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(path=posixpath.join(parts.path or "/", name)))


def local_path(uri: str) -> Path | None:
    """Return the path that a ``file:`` URI or a bare path names, None for any other URI."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return None if parts.scheme else Path(uri)


def _name(entry: FileInfo) -> str:
    return posixpath.basename(entry.path.rstrip("/"))


def _meant(entries: list[FileInfo], *, deep: bool = False) -> str:
    """Return the name of a file that may be meant for a deploy.yaml, "" for none."""
    names = [_name(entry) for entry in entries if not entry.is_dir]
    return next((n for n in names if _NEAR.fullmatch(n) and (deep or n != FILE_NAME)), "")


def not_here(uri: str) -> str:
    """Say that ``uri`` is a local path which is not on this machine, else ""."""
    path = local_path(uri) if uri else None
    if path is None or path.exists():
        return ""
    return (
        ": there is no such path on this machine (mount it, or let the MLflow server hand its"
        " artifacts out: --serve-artifacts)"
    )


def _refuse_large(origin: str, size: int) -> None:
    if size > MAX_DEPLOY_FILE:
        raise StoreError(f"{origin} has {size} bytes: {MAX_DEPLOY_FILE} are the limit")
