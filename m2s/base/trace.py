"""What m2s does, told on standard error: each step with ``-v``, each request with ``--debug``.

A request's line has its method, URL, status and time, without any secret; headers and bodies are
never told (law 7). ``m2s watch`` sends the lines to its log.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from m2s.base import mask

STEPS, REQUESTS = 1, 2
"""What is told: the steps, or the requests too; 0 is nothing."""


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")


_level = 0
_say: Callable[[str], None] = _to_stderr


def level() -> int:
    """Return what is told now."""
    return _level


@contextmanager
def kept() -> Iterator[None]:
    """After this block as much is told as before it, and in the same place."""
    before = _level, _say
    try:
        yield
    finally:
        begin(before[0])
        say(before[1])


def begin(level: int) -> None:
    """Tell this from now on."""
    global _level  # noqa: PLW0603 - one place for all that a process says
    _level = level


def say(how: Callable[[str], None]) -> None:
    """Have the lines go elsewhere from now on."""
    global _say  # noqa: PLW0603 - the same
    _say = how


def step(text: str) -> None:
    """Tell a step, where steps are told."""
    if _level >= STEPS:
        _say(mask.text(text))


class Request:
    """A request under way; whoever makes it notes the answer's ``status``, and the whole URL."""

    def __init__(self, url: str) -> None:
        self.url, self.status = url, 0


@contextmanager
def request(method: str, url: str) -> Iterator[Request]:
    """Tell the request that is made in this block, or what it failed with."""
    asked, begun, came = Request(url), time.monotonic(), ""
    try:
        yield asked
    except BaseException as error:
        came = type(error).__name__
        raise
    finally:
        if _level >= REQUESTS:
            seconds = time.monotonic() - begun
            _say(mask.text(f"{method} {asked.url}: {came or asked.status} in {seconds:.3f} s"))
