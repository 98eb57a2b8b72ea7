"""Runs several requests at a time, and reports the progress."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

from m2s.base import trace
from m2s.base.bounds import Left, forever
from m2s.base.errors import M2sError

_T = TypeVar("_T")
_R = TypeVar("_R")

Begin = Callable[[str, int], Callable[[], None]]
"""Called when a stage of the work begins, with its name and of how many things it is; what it
returns is called after each of them, from any thread."""


def silently(_title: str, _total: int) -> Callable[[], None]:
    """Tell nobody."""
    return lambda: None


@dataclass(frozen=True)
class Workers:
    """``count`` threads of ``pool``; nothing is begun once no time is ``left``, in seconds."""

    pool: Executor
    count: int
    begin: Begin = silently
    left: Left = forever

    def each(self, title: str, step: Callable[[_T], _R], items: Sequence[_T]) -> list[_R]:
        """Return what ``step`` makes of each item, in their order; the first error ends it.

        A task for each worker, not for each item: most items ask nobody, and a task costs more.
        M2sError: the time is over before everything is done.
        """
        if not items:
            return []
        results: dict[int, _R] = {}
        left, taking = iter(enumerate(items)), threading.Lock()
        failed = threading.Event()
        trace.step(f"{title}: {len(items)}")
        done = self.begin(title, len(items))

        def work() -> None:
            while not failed.is_set():
                with taking:
                    taken = next(left, None)
                if taken is None:
                    return
                if self.left() <= 0:
                    failed.set()
                    done_by_now = f"{len(results)} of {len(items)}"
                    raise M2sError(f"{title.lower()} takes too long: {done_by_now} are done")
                try:
                    results[taken[0]] = step(taken[1])
                except BaseException:
                    failed.set()
                    raise
                done()

        try:
            for worker in [self.pool.submit(work) for _ in range(self.count)]:
                worker.result()
        finally:
            failed.set()  # an interrupt ends them too, each after its present item
        return [results[number] for number in range(len(items))]
