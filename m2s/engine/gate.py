"""What every write to a cluster passes through, so that it can be told to begin no more."""

from __future__ import annotations

import threading
from collections.abc import Callable


def _never() -> bool:
    return False


class Gate:
    """Admits writes while it is open, and knows whether any is under way.

    Each :meth:`enter` that said yes wants a :meth:`leave`. Safe to use from several threads.

    Args:
        shut: whether no further write may begin; by default all may.
    """

    def __init__(self, shut: Callable[[], bool] = _never) -> None:
        self._shut = shut
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
