"""A client that asks all the time, while something changes."""

from __future__ import annotations

import threading
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

_PAUSE = 0.05


@dataclass
class Polled:
    """What it got: answers in their order, and failures."""

    answers: list[Any] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def distinct(self) -> list[Any]:
        """The answers, without repetitions of the one before."""
        every = self.answers
        return [each for at, each in enumerate(every) if at == 0 or each != every[at - 1]]


@contextmanager
def polling(ask: Callable[[], Any]) -> Iterator[Polled]:
    """Ask until the block ends; an HTTP error is a failure."""
    polled, closing = Polled(), threading.Event()

    def poll() -> None:
        while not closing.is_set():
            try:
                polled.answers.append(ask())
            except urllib.error.HTTPError as error:
                polled.failures.append(f"{error.code} {error.read(200)!r}")
            closing.wait(_PAUSE)

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield polled
    finally:
        closing.set()
        thread.join()
