"""One reading of a registry for several environments that look at it at about the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from m2s.base.errors import M2sError
from m2s.domain.versions import Model
from m2s.sources.mlflow.snapshot import ModelReader

LONGEST = 5.0
"""Seconds that an answer is shared at the most."""


class Shared:
    """Answers of a registry, and its refusals, each used again for ``seconds``.

    What has stamps is read before what they are the stamps of: see :meth:`Snapshot.read`. So a new
    reading of models drops all that was read of versions before.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = min(seconds, LONGEST), clock
        self._lock, self._since = threading.Lock(), float("-inf")
        self._known: dict[Any, tuple[float, Any, M2sError | None]] = {}

    def forget(self) -> None:
        """Share nothing any more that was read up to now: something happened in the registry."""
        self._since = self._clock()

    def over(self, uri: str, reader: ModelReader) -> ModelReader:
        """Return a reader that shares its answers with all others of the same ``uri``."""

        def newest() -> Iterator[list[Model]]:
            first = self._of((uri, "newest"), lambda: list(islice(reader.newest(), 1)), stamps=True)
            yield from first
            yield from islice(reader.newest(), 1, None) if first else ()

        def versions_of(names: Collection[str]) -> Any:
            key = (uri, "versions", frozenset(names))
            return self._of(key, lambda: tuple(reader.versions_of(names)))

        return replace(
            reader,
            models=lambda: self._of((uri, "models"), lambda: tuple(reader.models()), stamps=True),
            newest=newest,
            versions=lambda: self._of((uri, "versions"), lambda: tuple(reader.versions())),
            versions_of=versions_of,
            forget=self.forget,
        )

    def _of(self, key: Any, read: Callable[[], Any], *, stamps: bool = False) -> Any:
        with self._lock:
            known = self._known.get(key)
            if known is None or known[0] <= max(self._since, self._clock() - self._seconds):
                if stamps:
                    self._known.clear()
                known = self._known[key] = self._read(read)
        if known[2]:
            raise known[2]
        return known[1]

    def _read(self, read: Callable[[], Any]) -> tuple[float, Any, M2sError | None]:
        begun = self._clock()
        try:
            return begun, read(), None
        except M2sError as error:  # the next one does not wait for the same timeout again
            return self._clock(), None, error
