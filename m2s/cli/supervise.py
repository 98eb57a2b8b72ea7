"""The main thread beside the loop's: it takes the signals, and the process's end."""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from m2s.base.threads import Pulse
from m2s.cli.reload import SettingsSource
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


class _Worker(threading.Thread):
    """Runs the loop and keeps what it raised; a daemon, since a hung read must not keep us."""

    def __init__(self, loop: Loop, done: Signals, *, once: bool) -> None:
        super().__init__(name="m2s-loop", daemon=True)
        self._loop, self._done, self._once = loop, done, once
        self.error: BaseException | None = None

    def run(self) -> None:
        """Run the loop to its end."""
        try:
            self._loop.run(once=self._once)
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread
            self.error = error
        self._done.put(_DONE)


def supervise(
    loop: Loop, triggers: Triggers, source: SettingsSource, signals: Signals, *, once: bool
) -> bool:
    """Run the loop until it ends or a signal ends it; return whether it came to its end.

    SIGTERM and SIGINT finish the write in hand, and no more; a second one does not wait for it.
    SIGHUP, and a changed m2s.yaml, reload.
    """
    worker, pulse = _Worker(loop, signals, once=once), Pulse("m2s-main")
    worker.start()
    while (number := _next(signals, _LOOK)) not in (*_STOP, _DONE):
        pulse.beat(_BOUND)
        if number == signal.SIGHUP or source.changed():
            triggers.poke(RELOAD)
    pulse.end()
    loop.stop()
    if number in _STOP:
        _log.info("stopping: %s", signal.Signals(number).name)
    ended = _ended(worker, loop, signals)
    if worker.error:
        raise worker.error
    return ended


def _next(signals: Signals, seconds: float) -> int | None:
    try:
        return signals.get(timeout=seconds)
    except queue.Empty:
        return None


def _ended(worker: _Worker, loop: Loop, signals: Signals) -> bool:
    while worker.is_alive() and loop.busy and _next(signals, 0) not in _STOP:
        worker.join(0.05)
    worker.join(_GRACE)
    return not worker.is_alive()


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
