"""Every write to a cluster passes through the gate; a closed gate lets no new write begin."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from m2s.base.bounds import Left, forever

_LOOK = 0.2
"""Seconds between two looks at whether the gate was shut, while somebody waits in it."""


class Gate:
    """Admits writes while it is open, and knows whether any is under way.

    Each :meth:`enter` that said yes wants a :meth:`leave`. A write that is repeated asks whether
    the gate is :attr:`shut` before each attempt. Safe to use from several threads.

    ``shut`` says whether no further write may begin; ``left``, which is asked again and again, in
    how many seconds one that is under way has to be over.
    """

    def __init__(self, shut: Callable[[], bool] = lambda: False, left: Left = forever) -> None:
        self._shut, self.left = shut, left
        self._lock = threading.Lock()
        self._inside = 0

    @property
    def shut(self) -> bool:
        """Whether no further write may begin."""
        return self._shut()

    @property
    def busy(self) -> bool:
        """Whether a write is under way; once shut and not busy, it never is again."""
        with self._lock:
            return self._inside > 0

    def enter(self) -> bool:
        """Begin a write and return True, or return False: none may begin."""
        # Asking and counting are one step: whoever shuts the gate and finds nobody inside is sure.
        with self._lock:
            if self._shut():
                return False
            self._inside += 1
        return True

    def leave(self) -> None:
        """End a write, however it went."""
        with self._lock:
            self._inside -= 1

    def pause(self, seconds: float) -> None:
        """Wait between two attempts at a write; the gate's shutting ends that."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._shut():
            time.sleep(min(left, _LOOK))


OPEN = Gate()
"""For what is no write, and for writes that nobody fences."""
