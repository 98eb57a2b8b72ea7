"""Says what is waited for, a second after nothing came of it: a command shall not just stand there.

The lines go to standard error; ``m2s watch`` sends them to its log.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

AFTER = 1.0
"""Seconds without an answer, after which it is said who is waited for."""
_LOOK = 0.25
_AGAIN = 60.0
"""Seconds that pass before the same is said again."""


@dataclass
class _Wait:
    what: str
    since: float
    why: str = "no answer yet"


_lock = threading.Lock()
_told: dict[str, float] = {}
_waits: dict[int, _Wait] = {}
_mine = threading.local()
_some = threading.Event()
_thread: threading.Thread | None = None


@contextmanager
def on(what: str) -> Iterator[None]:
    """Wait for ``what`` in this block, and have it said if that takes long."""
    wait, outer = _Wait(what, time.monotonic()), getattr(_mine, "wait", None)
    _waits[id(wait)] = _mine.wait = wait
    _wake()
    try:
        yield
        with _lock:
            if time.monotonic() - _told.get(what, float("inf")) > _AGAIN:
                del _told[what]
    finally:
        del _waits[id(wait)]
        _mine.wait = outer


def again(why: str) -> None:
    """Note that what this thread waits for failed once, and is asked once more."""
    if wait := getattr(_mine, "wait", None):
        wait.why = f"{why}; trying again"


def say(how: Callable[[str], None]) -> None:
    """Have the lines go elsewhere from now on."""
    global _say  # noqa: PLW0603 - one place for all that a process says
    _say = how


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line[0].upper()}{line[1:]}\n")


_say: Callable[[str], None] = _to_stderr


def _tell(what: str, why: str) -> None:
    """Say it once: not again before there was an answer."""
    with _lock:
        if what in _told:
            return
        _told[what] = time.monotonic()
    _say(f"waiting for {what}: {why}")


def _wake() -> None:
    global _thread  # noqa: PLW0603 - one thread looks after every wait of the process
    if not _some.is_set():
        _some.set()
    if _thread is None or not _thread.is_alive():
        with _lock:
            if _thread is None or not _thread.is_alive():
                _thread = threading.Thread(target=_look, name="m2s-waiting", daemon=True)
                _thread.start()


def _look() -> None:
    while True:
        _some.wait()
        time.sleep(_LOOK)
        now = time.monotonic()
        _some.clear()
        pending = list(_waits.values())
        for wait in pending:
            if now - wait.since >= AFTER:
                _tell(wait.what, wait.why)
        if pending:
            _some.set()
