"""A server that does not answer: how long it is waited for, and what to say in the end."""

from __future__ import annotations

import re
from typing import Literal

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import (
    ConnectTimeoutError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from m2s.base.bounds import Left, after, earliest
from m2s.base.errors import ClusterError, ClusterUnavailable
from m2s.base.wording import dead_proxy, one_line

WHOLE = 3
"""A request with its repeats and the waits between them takes so many times an attempt's time."""

Failure = Literal["connect", "read", "status"]
"""No connection; a connection without a whole answer; an answer that says to come again."""

_MOST: dict[Failure, int] = {"connect": 3, "read": 1, "status": 4}
_MOST_OF_ALL = 6
_BACKOFF = 0.2


class Patience:
    """What is left of it for one request; ``timeout`` is for one attempt, in seconds."""

    def __init__(self, timeout: float) -> None:
        self._timeout, self._left = timeout, after(WHOLE * timeout)
        self._failures: list[Failure] = []

    def attempt(self) -> Left:
        """Return the deadline of an attempt that begins now."""
        return earliest(after(self._timeout), self._left)

    def pause(self, failure: Failure, asked: float | None = None) -> float | None:
        """Return how many seconds to wait before the next attempt; None: there is none.

        A server that ``asked`` to be left alone for longer than there is time, in seconds, is not
        waited for at all.
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


def failure(error: Exception) -> Failure | None:
    """Return what kind of failure an exception is, None for one that is the same each time."""
    if isinstance(error, NewConnectionError | ConnectTimeoutError | ProxyError):
        return "connect"
    return "read" if isinstance(error, ReadTimeoutError | ProtocolError) else None


def silenced(
    error: Exception, server: str, timeout: float, proxy: str | None = None
) -> ClusterError:
    """Return the error of one line that a client's exception stands for.

    ``timeout`` is in seconds; ``proxy`` is what the server was asked through, if anything.
    """
    cause: BaseException = error
    if isinstance(error, ProtocolError) and isinstance(error.args[-1], TimeoutError):
        cause = error.args[-1]
    text = one_line(str(cause))
    if isinstance(cause, ProxyError):
        return ClusterUnavailable(
            f"{server} cannot be reached, {one_line(dead_proxy(server, proxy))}, {_last(text)}: "
            "correct it, or name the host in NO_PROXY"
        )
    # the client turns urllib3's SSLError into an ApiException of status 0
    if isinstance(cause, SSLError | ApiException) or "SSLError" in text:
        return ClusterError(
            f"{server}: TLS failed, {_last(text)}: check server and "
            "certificate-authority in the kubeconfig"
        )
    if isinstance(cause, ReadTimeoutError | TimeoutError):
        return ClusterUnavailable(
            f"{server} did not answer within {timeout:g} s: "
            "try again later, or allow more with --request-timeout"
        )
    return ClusterUnavailable(
        f"{server} cannot be reached, {_last(text)}: check that the cluster runs and "
        "that this is the right --context"
    )


def _last(text: str) -> str:
    """Return the innermost of urllib3's nested causes."""
    aborted = re.fullmatch(r"\('Connection aborted\.', \w+\((?:\d+, )?'(.*)'\)\)", text)
    if aborted:
        return aborted[1].lower()
    inner = re.sub(r"^.*\[(?:Errno|SSL)[^]]{0,60}\]\s*|\(_ssl\.c:\d+\)|^.*Error\('", "", text)
    return inner.strip(" ()'\"").lower() or text
