"""Threads that go on: what one raises is told and it begins anew, and the probes know them all.

A thread says how soon it will be heard of again. One that is silent for longer, or gone, is a
fault: first the process is not ready any more, and where that lasts, not alive (law 15).
"""

from __future__ import annotations

import logging
import math
import threading
import time
import traceback
from collections.abc import Callable
from contextvars import copy_context

_log = logging.getLogger("m2s.threads")

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""Seconds from a failure to the new beginning: it doubles from the first to the longest."""
DEAD = 120.0
"""Seconds of a fault after which the process had better be restarted."""

_pulses: set[Pulse] = set()
_lock = threading.Lock()


class Pulse:
    """A sign of life of one thread, from :meth:`beat` to :meth:`end`; ``name`` is for people."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name, self._clock = name, clock
        self._due, self._why, self._beats = math.inf, "", 0

    def beat(self, seconds: float = math.inf) -> None:
        """Say that the thread goes on and beats again within ``seconds``.

        Without seconds it waits for work, which may take for ever. After a failure all is well
        again when it waits for work, or has come as far as to a second beat.
        """
        self._beats += 1
        if not self._why or self._beats > 1 or seconds == math.inf:
            self._due, self._why = self._clock() + seconds, ""
        with _lock:
            _pulses.add(self)

    def fail(self, why: str) -> None:
        """Say that the thread failed and begins anew."""
        self._due, self._why, self._beats = min(self._due, self._clock()), f": {why}", 0

    def end(self) -> None:
        """Say that the thread has ended, as it should."""
        with _lock:
            _pulses.discard(self)

    def fault(self, patience: float = 0.0) -> str | None:
        """Return why the thread is not well, None where it is or has not been so for long."""
        late = self._clock() - self._due
        if late < patience or late < 0:
            return None
        why = self._why or ": it is stuck"
        return f"{self.name} has not worked for {late:.0f} s{why}"


def fault(patience: float = 0.0) -> str | None:
    """Return which thread of this process is not well, for longer than ``patience``or None."""
    with _lock:
        every = sorted(_pulses, key=lambda pulse: pulse.name)
    return next((why for pulse in every if (why := pulse.fault(patience))), None)


class Kept:
    """A daemon thread that runs ``work`` until that returns, and again after it raised.

    The work beats the pulse that it is given. When ``stopped`` is set it is not begun anew;
    ``pause`` is the first one after a failure, in seconds.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Pulse], None],
        stopped: threading.Event,
        pause: float = FIRST_PAUSE,
    ) -> None:
        self._work, self._stopped, self._pause = work, stopped, pause
        self._pulse = Pulse(name)
        run = copy_context().run
        self._thread = threading.Thread(target=run, args=(self._run,), name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._pulse.beat()
        self._thread.start()

    @property
    def started(self) -> bool:
        """Whether it was begun, whatever became of it."""
        return self._thread.ident is not None

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._thread.is_alive()

    def join(self, seconds: float) -> None:
        """Wait so long at most for its end."""
        if self.started:
            self._thread.join(seconds)

    def _run(self) -> None:
        pause = self._pause
        try:
            while not self._stopped.is_set():
                begun = time.monotonic()
                try:
                    self._work(self._pulse)
                except BaseException as error:  # noqa: BLE001 - whatever it is, the thread goes on
                    if time.monotonic() - begun > LONGEST_PAUSE:
                        pause = self._pause
                    name, what = self._pulse.name, brief(error)
                    self._pulse.fail(what)
                    _log.error("%s failed and begins anew in %g s: %s", name, pause, what)
                else:
                    return
                self._stopped.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            self._pulse.end()


def brief(error: BaseException) -> str:
    """Return an error that nobody expected in one line: what it is, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}{where}"
