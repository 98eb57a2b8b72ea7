"""HTTP that ends: connecting, sending and every byte of an answer share one deadline.

The libraries' own timeouts count from one byte to the next: a server that sends a byte a second is
listened to for ever. What is read through this module stops when its time is over.
"""

from __future__ import annotations

import io
import math
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from m2s.base.bounds import Left, after, earliest, forever

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_SLICE = 1.0
"""Seconds after which a silent socket's deadline is looked at again: it may have moved."""
_SENT = 16 * 1024
"""Bytes that are sent at a time."""


@dataclass(frozen=True, slots=True)
class _Bound:
    """Seconds for one attempt at a request, and the deadline of all its attempts."""

    each: float
    whole: Left

    def begun(self) -> Left:
        """Return the deadline of the attempt that begins now."""
        return earliest(after(self.each), self.whole)


_bound: ContextVar[_Bound] = ContextVar("bound", default=_Bound(math.inf, forever))  # noqa: B039


@contextmanager
def within(whole: Left, each: float = math.inf) -> Iterator[None]:
    """Have requests that this thread makes over :data:`POOLS` in this block end in time.

    ``whole`` is the deadline of a request with all its repeats, ``each`` the seconds for one
    attempt. An answer that is read after the block still counts against the same deadline.
    """
    token = _bound.set(_Bound(each, whole))
    try:
        yield
    finally:
        _bound.reset(token)


def time_left() -> float:
    """Return how many seconds the request has that this thread makes."""
    return _bound.get().whole()


class TimedStream(io.RawIOBase):
    """What arrives at a socket, until a deadline or after so many bytes; then reading fails.

    The socket's timeout bounds the silence between two bytes; the deadline may move while it is
    waited for; ``most`` is how many bytes may still come.
    """

    def __init__(self, sock: Any, left: Left, most: float = math.inf) -> None:
        # Holds the socket open for as long as this is, as any file made of a socket does.
        self._file = sock.makefile("rb", buffering=0)
        self._sock, self._left, self.most = sock, left, most
        self._silence: float | None = sock.gettimeout()

    def readable(self) -> bool:
        """It is read."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read what is there; raises TimeoutError when the time is over, OSError after ``most``."""
        if self.most <= 0:
            raise OSError("it is too long")
        silent_since = time.monotonic()
        while True:
            silence = self._silence
            quiet = math.inf if silence is None else silence + silent_since - time.monotonic()
            left = min(self._left(), quiet)
            if left <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(min(left, _SLICE))
            try:
                count: int = self._sock.recv_into(buffer)
            except TimeoutError:
                continue
            finally:
                self._sock.settimeout(silence)
            self.most -= count
            return count

    def fileno(self) -> int:
        """Return the socket's."""
        return int(self._sock.fileno())

    def close(self) -> None:
        """Let go of the socket."""
        self._file.close()
        super().close()


@dataclass(frozen=True, slots=True)
class _File:
    """The one thing of a socket that an answer wants."""

    sock: socket.socket
    left: Left

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(TimedStream(self.sock, self.left))


class _Timed(HTTPConnection):
    """A connection whose requests end in time."""

    _left: Left = staticmethod(forever)

    def connect(self) -> None:
        self._left = _bound.get().begun()
        self._hurry()
        super().connect()

    def request(self, *args: Any, **options: Any) -> None:
        self._left = _bound.get().begun()
        super().request(*args, **options)

    def send(self, data: Any) -> None:
        if not isinstance(data, bytes):
            super().send(data)
            return
        for start in range(0, len(data), _SENT):
            self._hurry()
            super().send(data[start : start + _SENT])

    def _hurry(self) -> None:
        left = self._left()
        if left <= 0:
            raise TimeoutError("timed out")
        if left == math.inf:
            return
        self.timeout = left if self.timeout is None else min(left, self.timeout)
        if self.sock is not None:
            self.sock.settimeout(self.timeout)

    # http.client makes its answers by calling this
    def response_class(self, sock: Any, *args: Any, **options: Any) -> HTTPResponse:  # type: ignore[override]
        return HTTPResponse(_File(sock, self._left), *args, **options)  # type: ignore[arg-type]


class _TimedTls(_Timed, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Timed


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TimedTls


POOLS = {"http": _Pool, "https": _TlsPool}
"""For ``pool_classes_by_scheme`` of a urllib3 PoolManager."""
