"""What one process found in the registry, kept while it is in use."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import islice
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memory(Generic[K, V]):
    """Values by key, of which some are doubtful: they say that something was not there."""

    def __init__(self) -> None:
        self._values: dict[K, V] = {}
        self._used: set[K] = set()
        self._doubtful: dict[K, None] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._values

    def __getitem__(self, key: K) -> V:
        self._used.add(key)
        return self._values[key]

    def put(self, key: K, value: V, *, doubtful: bool) -> None:
        """Keep a value; a doubtful one is doubted after all that are so already."""
        self._values[key] = value
        if doubtful:
            self._doubtful[key] = None

    def doubt(self, count: int | None) -> dict[K, V]:
        """Forget and return up to ``count`` doubtful values, the oldest first; with None all."""
        keys = list(islice(self._doubtful, count))
        for key in keys:
            del self._doubtful[key]
        return {key: self._values.pop(key) for key in keys}

    def drop_unused(self) -> None:
        """Forget what nobody asked for since this was last said."""
        unused = self._values.keys() - self._used
        for key in unused:
            del self._values[key]
            self._doubtful.pop(key, None)
        self._used.clear()
