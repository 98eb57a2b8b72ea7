"""Keeps what versions became in one pass for the next, in a process that runs for long."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

_T = TypeVar("_T")


class Memo:
    """Keeps results by all that they depend on; for one thread at a time.

    What nobody asked for between two calls of :meth:`begin` is dropped.
    """

    def __init__(self) -> None:
        self._context: Any = None
        self._known: dict[Hashable, Any] = {}
        self._used: dict[Hashable, Any] = {}

    def begin(self, context: Any) -> None:
        """Begin a round; with another ``context`` than the last one's nothing is known any more."""
        self._known = self._used if context == self._context else {}
        self._used, self._context = {}, context

    def get(self, key: Hashable, make: Callable[[], _T]) -> _T:
        """Return what ``make`` returned for ``key`` in this round or the one before."""
        if key in self._used:
            found: _T = self._used[key]
        else:
            found = self._known[key] if key in self._known else make()
            self._used[key] = found
        return found
