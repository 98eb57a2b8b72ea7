"""What a fault proxy sits in front of, what arrives at it, and what it is told to do about it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.servers.certs import Tls


class Upstream(Protocol):
    """What a proxy can be put in front of: an ApiServer, an MlflowServer."""

    @property
    def url(self) -> str:
        """Scheme, host and port."""

    @property
    def tls(self) -> Tls | None:
        """The identity to listen with; None for plain HTTP."""


@dataclass(frozen=True)
class Recorded:
    """A request as it arrived; ``path`` has its query."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answered:
    """An upstream's answer, read as a whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Fault:
    """What to do with matching requests: the first ``after`` pass, then ``times`` are spoiled.

    ``only`` says which requests match besides. ``raw`` is sent as it is, whatever HTTP says, and
    the connection closed; ``alter`` changes what the upstream answered.
    """

    method: str | None = None
    path: str = ""
    after: int = 0
    times: int | None = None
    status: int | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    gate: threading.Event | None = None
    seconds: float | None = None
    drip: float | None = None
    at_byte: int | None = None
    only: Callable[[Recorded], bool] | None = None
    raw: bytes | None = None
    alter: Callable[[Answered], Answered] | None = None
    seen: int = 0

    def takes(self, request: Recorded) -> bool:
        """Count a matching request and say whether this fault is its."""
        if not matches(request, self.method, self.path) or (self.only and not self.only(request)):
            return False
        self.seen += 1
        spoiled = self.seen - self.after
        return spoiled > 0 and (self.times is None or spoiled <= self.times)


def kubernetes_status(code: int, reason: str, message: str) -> dict[str, Any]:
    """Return the body that a Kubernetes API server sends with an error."""
    head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return {**head, "code": code, "reason": reason, "message": message}


def matches(request: Recorded, method: str | None, path: str) -> bool:
    """Whether the request has this method (None: any) and this expression in path and query."""
    return method in (None, request.method) and bool(re.search(path, request.path))
