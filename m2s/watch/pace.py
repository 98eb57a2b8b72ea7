"""When the next pass begins: pure arithmetic on a clock that is handed in."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass

JITTER = 0.1
"""The share by which an interval or a pause is longer or shorter, so that replicas spread out."""
SPACING = 1.0
"""Seconds from the begin of one pass to the next one's, at the least."""
REST = 0.1
"""Seconds from the end of one pass to the next one, at the least."""
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 120.0
"""Seconds, of the pause after errors: it doubles from the first to the longest."""
_WINDOW = 60.0


@dataclass(frozen=True, slots=True)
class Window:
    """The next pass: when a trigger may start it, and when it starts anyway; on the clock."""

    earliest: float
    latest: float


class Pace:
    """Keeps what the next pass's time depends on: errors in a row, and recent triggers.

    An error of a side pauses for 1, 2, 4 … 120 seconds, whatever triggers come meanwhile.
    Triggers that keep coming are spaced by 1, 2, 4 … seconds, up to the interval.
    """

    def __init__(self, rng: random.Random | None = None) -> None:
        # Jitter needs no cryptography.
        self._rng = rng or random.Random()  # noqa: S311
        self._errors = 0
        self._triggered: deque[float] = deque()

    def next(self, began: float, now: float, interval: float, *, ok: bool, early: bool) -> Window:
        """Return when the next pass begins; all in seconds, on the clock.

        The last one ``began`` and has ended ``now``. It was ``ok`` if both sides could be read, and
        ``early`` if a trigger had started it, before the ``interval`` from begin to begin was over.
        """
        if not ok:
            pause = self._jittered(min(FIRST_PAUSE * 2**self._errors, self._longest(interval)))
            self._errors = min(self._errors + 1, 30)
            return Window(now + pause, now + pause)
        self._errors = 0
        if early:
            self._triggered.append(began)
        earliest = max(began + self._spacing(began, interval), now + REST)
        return Window(earliest, max(began + self._jittered(interval), earliest))

    def reset(self) -> None:
        """Forget the errors: the settings changed."""
        self._errors = 0

    def patience(self, interval: float) -> float:
        """Return after how many seconds without a pass the loop must be stuck."""
        return 3 * interval + self._longest(interval)

    def _longest(self, interval: float) -> float:
        return max(LONGEST_PAUSE, interval)

    def _spacing(self, began: float, interval: float) -> float:
        window = min(interval, _WINDOW)
        while self._triggered and self._triggered[0] <= began - window:
            self._triggered.popleft()
        recent = max(len(self._triggered) - 1, 0)
        return float(min(SPACING * 2 ** min(recent, 30), max(interval, SPACING)))

    def _jittered(self, seconds: float) -> float:
        return seconds * self._rng.uniform(1 - JITTER, 1 + JITTER)
