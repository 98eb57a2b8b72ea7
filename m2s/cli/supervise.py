"""The main thread beside the loop's: it takes the signals, and the process's end."""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from m2s.base.threads import Pulse
from m2s.cli.reload import SettingsSource
from m2s.observers.logs import ENVIRONMENT
from m2s.watch.loop import Loop
from m2s.watch.triggers import RELOAD, Triggers

_log = logging.getLogger("m2s.watch")

_LOOK = 2.0
"""Seconds between two looks at whether m2s.yaml changed."""
_GRACE = 0.5
"""Seconds that a pass has to end by itself and to be reported, after the last write ended."""
_BOUND = 60.0
"""Seconds that such a look takes at the most."""
_DONE = 0
_STOP = (signal.SIGTERM, signal.SIGINT)


Signals = queue.SimpleQueue[int]
"""The numbers that came; the one queue that a handler may put into, whatever it interrupts."""


class Supervised(Protocol):
    """What is served of one environment."""

    loop: Loop
    triggers: Triggers
    source: SettingsSource
    environment: str


class _Worker(threading.Thread):
    """Runs a loop and keeps what it raised; a daemon, since a hung read must not keep us."""

    def __init__(self, part: Supervised, done: Signals, *, once: bool) -> None:
        super().__init__(name="m2s-loop", daemon=True)
        self._part, self._signals, self._once = part, done, once
        self.error: BaseException | None = None
        self.done = False

    @property
    def busy(self) -> bool:
        """Whether it is in the middle of a write."""
        return self.is_alive() and self._part.loop.busy

    def run(self) -> None:
        """Run the loop to its end."""
        try:
            ENVIRONMENT.set(self._part.environment)
            self._part.loop.run(once=self._once)
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread
            self.error = error
        self.done = True
        self._signals.put(_DONE)


def supervise(parts: Sequence[Supervised], signals: Signals, *, once: bool) -> bool:
    """Run the loops until they end or a signal ends them; return whether they came to their end.

    SIGTERM and SIGINT finish the write in hand, and no more; a second one does not wait for it.
    SIGHUP, and a changed m2s.yaml, reload.
    """
    workers, pulse = [_Worker(part, signals, once=once) for part in parts], Pulse("m2s-main")
    for worker in workers:
        worker.start()
    while (number := _next(signals, _LOOK)) not in _STOP and _go_on(workers):
        pulse.beat(_BOUND)
        for part in parts:
            if number == signal.SIGHUP or part.source.changed():
                part.triggers.poke(RELOAD)
    pulse.end()
    for part in parts:
        part.loop.stop()
    if number in _STOP:
        _log.info("stopping: %s", signal.Signals(number).name)
    ended = _ended(workers, signals)
    for error in filter(None, [worker.error for worker in workers]):
        raise error
    return ended


def _go_on(workers: Sequence[_Worker]) -> bool:
    """Whether a loop runs, and none broke."""
    return not all(worker.done for worker in workers) and not any(each.error for each in workers)


def _next(signals: Signals, seconds: float) -> int | None:
    try:
        return signals.get(timeout=seconds)
    except queue.Empty:
        return None


def _ended(workers: Sequence[_Worker], signals: Signals) -> bool:
    while (busy := next((each for each in workers if each.busy), None)) and _next(
        signals, 0
    ) not in _STOP:
        busy.join(0.05)
    until = time.monotonic() + _GRACE
    for worker in workers:
        worker.join(max(until - time.monotonic(), 0))
    return not any(worker.is_alive() for worker in workers)


def leave(code: int) -> None:
    """End the process although a read still hangs in a thread, which Python would wait for."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@contextmanager
def handled() -> Iterator[Signals]:
    """Collect signals from here on: process 1 of a container has no default for SIGTERM."""
    signals: Signals = queue.SimpleQueue()

    def handle(number: int, _: object) -> None:
        signals.put(number)

    before = {number: signal.signal(number, handle) for number in (*_STOP, signal.SIGHUP)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
