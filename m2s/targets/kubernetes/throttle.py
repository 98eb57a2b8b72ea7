"""How many requests a second a client may make: client-go's token bucket (``util/flowcontrol``)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Throttle:
    """Lets ``burst`` requests go at once and ``qps`` a second after that; 0 lets all go.

    Whoever comes too early waits for its turn, in the order of coming. Safe to use from several
    threads. ``clock`` returns seconds, monotonic, and ``sleep`` waits for seconds.
    """

    def __init__(
        self,
        qps: float,
        burst: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._qps, self._burst = qps, burst
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._left, self._at = float(burst), clock()

    def wait(self) -> None:
        """Return when one more request may be made."""
        if self._qps and (seconds := self._reserve()) > 0:
            self._sleep(seconds)

    def _reserve(self) -> float:
        """Take one request off the bucket, on credit if need be; return seconds until it is due."""
        with self._lock:
            now = self._clock()
            saved = self._left + (now - self._at) * self._qps
            self._left, self._at = min(saved, float(self._burst)) - 1, now
            return -self._left / self._qps
