"""A folder of small JSON values that are dear to fetch; losing any of it costs time and no more.

One file to a value, replaced as a whole, so that any number of processes may share the folder. A
file that cannot be read, or is not what was written, is a miss. What cannot be written is not kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

LIMIT = 256 * 1024 * 1024
"""Bytes of the files together; the longest unused go first. 1,000 versions take 2 to 4 MiB."""
_KEPT = 0.8
_EVERY = 500
_SUFFIX = ".json"
_DAY, _HOUR = 86400.0, 3600.0


class Cache:
    """The values of one folder; safe to use from several threads and processes.

    The folder is made where it is not there, for this user alone; ``limit`` is in bytes.
    """

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self._folder, self._limit = folder, limit
        self._lock = Lock()
        self._written = 0

    def get(self, *key: str) -> Mapping[str, Any] | None:
        """Return the value that was put under ``key``, None if there is none."""
        path = self._path(key)
        try:
            _raise_if_foreign(self._folder)
            seal, _, content = path.read_bytes().partition(b"\n")
            if seal != _seal(key, content):
                return None
            value = json.loads(content)
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < time.time() - _DAY:
                    os.utime(path)  # the order of eviction needs no more than the day of its use
        except (OSError, ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    def put(self, value: Mapping[str, Any], *key: str) -> None:
        """Keep a JSON value under ``key`` where that is possible."""
        content = json.dumps(value).encode()
        with contextlib.suppress(OSError):
            self._write(self._path(key), _seal(key, content) + b"\n" + content)
            with self._lock:
                self._written += 1
                due = self._written % _EVERY == 1
            if due:
                self.sweep()

    def sweep(self) -> None:
        """Delete what was not used for longest until the rest is within the limit."""
        files = sorted(self._files(), key=lambda item: item[1])
        total = sum(size for _, _, size in files)
        goal = self._limit if total <= self._limit else int(self._limit * _KEPT)
        for path, used, size in files:
            forgotten = not path.endswith(_SUFFIX) and used < time.time() - _HOUR
            if total > goal or forgotten:
                with contextlib.suppress(OSError):
                    Path(path).unlink()
                total -= size

    def _path(self, key: tuple[str, ...]) -> Path:
        return self._folder / f"{_hash(json.dumps(key).encode())}{_SUFFIX}"

    def _write(self, path: Path, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _raise_if_foreign(self._folder)
        number, name = tempfile.mkstemp(dir=self._folder)  # for this user alone, too
        try:
            with os.fdopen(number, "wb") as file:
                file.write(content)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _files(self) -> list[tuple[str, float, int]]:
        found = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    about = entry.stat(follow_symlinks=False)
                    found.append((entry.path, about.st_mtime, about.st_size))
        return found


def _seal(key: tuple[str, ...], content: bytes) -> bytes:
    """Return what tells a value from a damaged one, and from another key's."""
    return _hash(json.dumps(key).encode() + content).encode()


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _raise_if_foreign(folder: Path) -> None:
    """Raise a PermissionError where others could read what is written, or have written there."""
    about = folder.stat()
    if about.st_uid != os.getuid() or stat.S_IMODE(about.st_mode) & 0o077:
        raise PermissionError(f"{folder} is not this user's alone")


def default_folder(environ: Mapping[str, str]) -> Path | None:
    """Return ``$XDG_CACHE_HOME/m2s/registry`` or its default, None for a user without a home.

    As the XDG Base Directory Specification says.
    """
    given = Path(environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():  # the specification has a relative one ignored
        return given / "m2s" / "registry"
    try:
        return Path.home() / ".cache" / "m2s" / "registry"
    except RuntimeError:
        return None
