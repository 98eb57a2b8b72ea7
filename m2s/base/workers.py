"""Several things are asked at a time, and somebody is told how far that is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")

Begin = Callable[[str, int], Callable[[], None]]
"""Called when a stage of the work begins, with its name and of how many things it is; what it
returns is called after each of them, from any thread."""


def silently(_title: str, _total: int) -> Callable[[], None]:
    """Tell nobody."""
    return _nothing


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Workers:
    """``count`` threads of ``pool``."""

    pool: Executor
    count: int
    begin: Begin = silently

    def each(self, title: str, step: Callable[[_T], _R], items: Sequence[_T]) -> list[_R]:
        """Return what ``step`` makes of each item, in their order; the first error ends it.

        A task for each worker, not for each item: most items ask nobody, and a task costs more.
        """
        if not items:
            return []
        results: dict[int, _R] = {}
        left, taking = iter(enumerate(items)), threading.Lock()
        failed = threading.Event()
        done = self.begin(title, len(items))

        def work() -> None:
            while not failed.is_set():
                with taking:
                    taken = next(left, None)
                if taken is None:
                    return
                try:
                    results[taken[0]] = step(taken[1])
                except BaseException:
                    failed.set()
                    raise
                done()

        for worker in [self.pool.submit(work) for _ in range(self.count)]:
            worker.result()
        return [results[number] for number in range(len(items))]
