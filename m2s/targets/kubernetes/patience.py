"""How often one request is made again, and how long it may take with all its repeats."""

from __future__ import annotations

import re
from typing import Literal

from m2s.base.bounds import Left, after, earliest

WHOLE = 3
"""A request with its repeats and the waits between them takes so many times an attempt's time."""

Failure = Literal["connect", "read", "status"]
"""No connection; a connection without a whole answer; an answer that says to come again."""

_MOST: dict[Failure, int] = {"connect": 3, "read": 1, "status": 4}
_MOST_OF_ALL = 6
_BACKOFF = 0.2


class Patience:
    """What is left of it for one request.

    Args:
        timeout: seconds for one attempt.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout, self._left = timeout, after(WHOLE * timeout)
        self._failures: list[Failure] = []

    def attempt(self) -> Left:
        """Return the deadline of an attempt that begins now."""
        return earliest(after(self._timeout), self._left)

    def pause(self, failure: Failure, asked: float | None = None) -> float | None:
        """Return how many seconds to wait before the next attempt; None: there is none.

        Args:
            failure: how the last attempt went.
            asked: the seconds that the server asks to wait. One that wants to be left alone for
                longer than there is time is not waited for at all.
        """
        self._failures.append(failure)
        count = len(self._failures)
        if self._failures.count(failure) > _MOST[failure] or count > _MOST_OF_ALL:
            return None
        seconds = asked
        if seconds is None:
            seconds = 0.0 if count == 1 else _BACKOFF * 2 ** (count - 1)
        return seconds if seconds < self._left() else None


def asked_wait(retry_after: str) -> float | None:
    """Return the seconds that a ``Retry-After`` header names, None where it names none.

    API servers send seconds (apimachinery, ``Status.details.retryAfterSeconds``), never a date.
    """
    found = re.fullmatch(r"\s*(\d{1,9})\s*", retry_after, re.ASCII)
    return float(found[1]) if found else None
