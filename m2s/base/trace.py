"""What m2s does, told on standard error: each step with ``-v``, each request with ``--debug``.

A request's line has its method, URL, status and time, without any secret; headers and bodies are
never told (law 7). ``m2s watch`` sends the lines to its log.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from m2s.base import mask

STEPS, REQUESTS = 1, 2


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")


_level = 0
_say: Callable[[str], None] = _to_stderr


def level() -> int:
    """Return what is told now: nothing (0), ``STEPS``, or ``REQUESTS`` too."""
    return _level


def begin(level: int, say: Callable[[str], None] | None = None) -> None:
    """Tell this from now on; ``say`` takes each line, in the place of who took it so far."""
    global _level, _say
    _level, _say = level, say or _say


@contextmanager
def kept() -> Iterator[None]:
    """After this block as much is told as before it, and in the same place."""
    before = _level, _say
    try:
        yield
    finally:
        begin(*before)


def step(text: str) -> None:
    """Tell a step, where steps are told."""
    if _level >= STEPS:
        _say(mask.text(text[:1].upper() + text[1:]))


@dataclass
class Request:
    """A request under way; whoever makes it notes the answer's ``status``, and the whole URL."""

    url: str
    status: int = 0


@contextmanager
def request(method: str, url: str) -> Iterator[Request]:
    """Tell the request that is made in this block, or what it failed with."""
    asked, begun, failed = Request(url), time.monotonic(), ""
    try:
        yield asked
    except BaseException as error:
        failed = type(error).__name__
        raise
    finally:
        if _level >= REQUESTS:
            seconds = time.monotonic() - begun
            _say(mask.text(f"{method} {asked.url}: {failed or asked.status} in {seconds:.3f} s"))
