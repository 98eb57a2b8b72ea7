"""Brings a model from anywhere MLflow can reach into a folder: complete, or nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

from m2s.base import mask, trace
from m2s.base.errors import M2sError, UsageError
from m2s.base.names import meant
from m2s.sources.mlflow import client as mlflow
from m2s.sources.mlflow import landing, transport
from m2s.sources.mlflow.artifacts import StoreError, local_path, not_here
from m2s.sources.mlflow.elsewhere import SERVICE, elsewhere
from m2s.sources.mlflow.trouble import brief, chain, diagnose, status_of

_T = TypeVar("_T")
Watching = Callable[[Path, int], AbstractContextManager[None]]
"""Is entered with the folder that files arrive in and the sum of their bytes."""

_PAUSES = (1.0, 2.0, 4.0)
"""Seconds between the attempts at one listing or file."""
_MOST = 100_000
"""Files and folders of one model: a listing without an end must end."""
_UNTOLD = 100 * 1024 * 1024
"""Bytes that time is given for where a store does not tell how many there are."""
_UNSAFE = re.compile(r"[/\\\x00-\x1f\x7f\ud800-\udfff]")
_SERVERS = ("mlflow-artifacts", "http", "https")
_FOR_GOOD = {"TooManyRedirects", "SSLError", "NoCredentialsError", "ImportError"}
_AGAIN = (408, 425, 429)


class Fetched(NamedTuple):
    """The files of a folder and the sum of their bytes; ``before``: it had them already."""

    files: int
    size: int
    before: bool


class _Short(Exception):
    """A file did not arrive whole, and may the next time."""


def scheme_of(uri: str) -> str:
    """Return the scheme of a model's URI, "" for a path.

    Raises:
        UsageError: MLflow has no such scheme, or the URI has a secret in it.
    """
    if mask.uri_carries_secret(uri):
        raise UsageError(f"URI {mask.text(uri)}: give its secret in the environment instead")
    known = mlflow.get_registered_artifact_repositories()
    scheme, _, rest = uri.partition(":") if re.match(r"[\w.+-]+:", uri) else ("", "", uri)
    if not rest or scheme.lower() not in known:
        which = meant(scheme, sorted(filter(None, known)))
        raise UsageError(f"URI {uri!r}: MLflow has no scheme {scheme!r}; {which}")
    if scheme.lower() in ("http", "https") and SERVICE not in rest:
        raise UsageError(f"URI {uri}: not of MLflow's artifact service (…{SERVICE}/…)")
    return scheme.lower()


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A folder of files: ``listed`` is what is right under a path in it, ``save`` writes a file."""

    uri: str
    listed: Callable[[str], list[mlflow.FileInfo]]
    save: Callable[[str, str], object]

    @classmethod
    def at(cls, uri: str, tracking_uri: str) -> ModelSource:
        """Return the folder of a storage URI, which is not asked anything yet."""
        if other := elsewhere(uri, tracking_uri):
            return cls(uri, other.entries, other.save)
        store = mlflow.get_artifact_repository(uri, tracking_uri=tracking_uri or None)
        # What every store implements; the public method lists once more before it.
        return cls(uri, lambda path: store.list_artifacts(path or None), store._download_file)

    def files(self) -> dict[str, int | None]:
        """Return all files with their sizes; StoreError: a path is not safe, or there twice."""
        found: dict[str, int | None] = {}
        folders, seen = [""], {""}
        while folders:
            folder = folders.pop()
            for info in _patiently(lambda: self.listed(folder)):  # noqa: B023 - called at once
                path = self._path(folder, info.path)
                if path in ("", landing.MARK, landing.STAGE):
                    continue
                if path in seen or len(seen) > _MOST:
                    raise StoreError(f"it lists {path!r} twice, or more than {_MOST} files")
                seen.add(path)
                if info.is_dir:
                    folders.append(path)
                else:
                    found[path] = info.file_size
        return found

    def _path(self, folder: str, told: str) -> str:
        """Return the path of an entry of ``folder``, "" for the folder itself."""
        path, prefix = told.rstrip("/"), f"{folder}/" if folder else ""
        if told and path in (".", folder):  # some stores list a folder in itself
            return ""
        name, root = path.removeprefix(prefix), local_path(self.uri)
        if not path.startswith(prefix) or name in ("", ".", "..") or _UNSAFE.search(name):
            raise StoreError(f"it lists {told!r} in {folder or '.'!r}, which is no safe file name")
        if root and not (root / path).resolve().is_relative_to(root.resolve()):
            raise StoreError(f"{path!r} is a link that leads out of the model's folder")
        return path

    def bring(self, path: str, size: int | None, to: Path) -> int:
        """Write a file to ``to`` and return its bytes."""
        to.parent.mkdir(parents=True, exist_ok=True)
        with transport.expecting(_UNTOLD if size is None else size):
            self.save(path, str(to))
        got = to.stat().st_size
        if size not in (None, got):
            raise _Short(f"{got} bytes arrived, {size} are listed")
        return got


@dataclass(frozen=True, slots=True)
class Fetch:
    """A model at a storage URI; ``scrub`` hides credentials in what is said of it.

    ``tracking_uri`` is "" where there is no registry.
    """

    uri: str
    tracking_uri: str
    scrub: Callable[[str], str]

    def into(self, folder: Path, watching: Watching) -> Fetched:
        """Put the model into a folder; M2sError: it cannot be had, and the folder is as before."""
        landing.held(folder)  # before anybody is asked
        with self._telling("list its files"):
            source, files = self._found()
        shown, sizes = self.scrub(self.uri), [size or 0 for size in files.values()]
        if landing.check(folder, shown, files):
            return Fetched(len(files), sum(sizes), before=True)
        with landing.staged(folder) as stage:
            with watching(stage, sum(sizes)):
                got = {path: self._one(source, path, size, stage) for path, size in files.items()}
            landing.mark(stage, shown, got)
        return Fetched(len(got), sum(got.values()), before=False)

    def _found(self) -> tuple[ModelSource, dict[str, int | None]]:
        """Return the files of the folder, or the one file that the URI names in its folder."""
        source = ModelSource.at(self.uri, self.tracking_uri)
        if files := source.files():
            return source, files
        above, _, name = self.uri.rstrip("/").rpartition("/")
        if name and not not_here(self.uri):
            source = ModelSource.at(above or "/", self.tracking_uri)
            for info in _patiently(lambda: source.listed("")):
                if info.path == name and not info.is_dir:
                    return source, {name: info.file_size}
        raise StoreError(f"nothing is stored there{not_here(self.uri)}")

    def _one(self, source: ModelSource, path: str, size: int | None, stage: Path) -> int:
        trace.step(f"fetching {path}")
        with self._telling(f"read {path}"):
            return _patiently(lambda: source.bring(path, size, stage / path))

    @contextmanager
    def _telling(self, doing: str) -> Iterator[None]:
        """Turn whatever mlflow and the storage clients raise into one line."""
        try:
            yield
        except Exception as error:
            (cause, remedy), status = diagnose(error), status_of(error)
            if urlsplit(self.uri).scheme not in _SERVERS:
                denied = status in (401, 403)
                remedy = "give the store's credentials in the environment" * denied
            elif status == 503:
                remedy = "does the MLflow server run with --serve-artifacts?"
            line = f"cannot fetch {self.uri}: cannot {doing}: {cause}"
            raise M2sError(brief(self.scrub(f"{line}: {remedy}" if remedy else line))) from error


def _patiently(ask: Callable[[], _T]) -> _T:
    """Return what ``ask`` returns; what may succeed the next time is tried again, four times."""
    for pause in _PAUSES:
        try:
            return ask()
        except Exception as error:
            if _for_good(error):
                raise
            trace.step(f"trying again in {pause:g} s: {brief(str(error))}")
            time.sleep(pause)
    return ask()


def _for_good(error: Exception) -> bool:
    """Whether another attempt would fare no better."""
    kinds = {each.__name__ for link in chain(error) for each in type(link).__mro__}
    if isinstance(error, StoreError | ValueError) or kinds & _FOR_GOOD:
        return True
    if status := getattr(error, "status", None) or status_of(error):
        return bool(400 <= status < 500) and status not in _AGAIN
    network = isinstance(error, ConnectionError | TimeoutError)
    return isinstance(error, OSError) and error.errno is not None and not network
