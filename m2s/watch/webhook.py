"""MLflow's registry webhooks: m2s checks each delivery, and a genuine one asks for a pass.

A delivery only starts a pass; the pass reads the registry itself. m2s reads one thing from the
delivery: whether it is about a tag that m2s wrote itself.
Signing is that of ``mlflow/webhooks/delivery.py`` (3.17), after https://www.standardwebhooks.com.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from m2s.base.labels import LIVE

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

_log = logging.getLogger("m2s.webhook")

TOLERANCE = 300.0
"""Seconds by which a delivery may be older or newer than now, as Standard Webhooks has it."""
LARGEST = 1 << 20
"""Bytes of a delivery's body at the most; MLflow's are below one KiB."""
_REMEMBERED = 10_000
_QUIET = 60.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request's headers, "" where missing, and its body as it came."""

    delivery_id: str
    timestamp: str
    signature: str
    body: bytes


def sign(secret: str, delivery_id: str, timestamp: str, body: bytes) -> str:
    """Return the signature that MLflow puts into ``X-MLflow-Signature``: ``v1,<base64>``."""
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    mac = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(mac).decode()


def fault(secret: str, delivery: Delivery, now: float) -> str:
    """Return in one line why a delivery is not to be trusted, or ""; ``now`` is a Unix time."""
    if not (delivery.delivery_id and delivery.timestamp and delivery.signature):
        return (
            "it is not signed: X-MLflow-Signature, -Timestamp or -Delivery-Id is missing; "
            "register the webhook with `m2s webhook register`"
        )
    expected = sign(secret, delivery.delivery_id, delivery.timestamp, delivery.body)
    # Bytes: compare_digest refuses texts beyond ASCII, and headers may hold any Latin-1.
    if not hmac.compare_digest(expected.encode(), delivery.signature.encode()):
        return (
            "its signature is wrong: MLflow's webhook has another secret; register it again "
            "with `m2s webhook register`"
        )
    if not re.fullmatch("[0-9]{1,15}", delivery.timestamp):
        return "its timestamp is no Unix time"
    ahead = int(delivery.timestamp) - now
    if abs(ahead) <= TOLERANCE:
        return ""
    where = f"{ahead:.0f} s in the future" if ahead > 0 else f"{-ahead:.0f} s old"
    return (
        f"its timestamp is {where}, over {TOLERANCE:g} s: clock skew between MLflow's host and "
        "this one, or a replay; check NTP on both"
    )


def is_own(body: bytes) -> bool:
    """Whether a delivery is about a tag that m2s writes, which is no reason to look at anything.

    ``mlflow/webhooks/types.py``: of what m2s hears, only a version's tag has a ``key``.
    """
    try:
        key = json.loads(body)["data"]["key"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    return isinstance(key, str) and key.startswith(LIVE)


class Receiver:
    """The WSGI application behind ``POST /mlflow``.

    204 for a genuine delivery, 401 for any other; a repeated delivery id, and a delivery about
    m2s's own tags (``--write-back``), is answered alike and pokes nobody. ``poked`` and ``refused``
    count since the start. The ``secret`` is read for each delivery, so that a changed Secret needs
    no restart; ``poke`` asks for a pass; ``clock`` is in seconds since 1970.
    """

    def __init__(
        self,
        secret: Callable[[], str],
        poke: Callable[[], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.poked, self.refused = 0, 0
        self._secret, self._poke, self._clock = secret, poke, clock
        self._lock = threading.Lock()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._said: dict[str, float] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        status, headers = self._answer(environ)
        start_response(status, [("Content-Length", "0"), *headers])
        return []

    def _answer(self, environ: WSGIEnvironment) -> tuple[str, list[tuple[str, str]]]:
        if environ["REQUEST_METHOD"] != "POST":
            return "405 Method Not Allowed", [("Allow", "POST")]
        length = environ.get("CONTENT_LENGTH")  # digits, as many as fit: httpd looked at them
        if not length:
            return "411 Length Required", []
        if int(length) > LARGEST:
            return "413 Content Too Large", []
        delivery = Delivery(
            environ.get("HTTP_X_MLFLOW_DELIVERY_ID", ""),
            environ.get("HTTP_X_MLFLOW_TIMESTAMP", ""),
            environ.get("HTTP_X_MLFLOW_SIGNATURE", ""),
            environ["wsgi.input"].read(int(length)),
        )
        return self._judge(delivery), []

    def _judge(self, delivery: Delivery) -> str:
        try:
            problem = fault(self._secret(), delivery, self._clock())
        except OSError as error:
            self._say(f"the secret cannot be read: {error.strerror}; see --webhook-secret-file")
            return "503 Service Unavailable"
        if problem:
            with self._lock:
                self.refused += 1
            self._say(problem)
            return "401 Unauthorized"
        if not is_own(delivery.body) and self._is_new(delivery.delivery_id):
            self._poke()
        return "204 No Content"

    def _is_new(self, delivery_id: str) -> bool:
        """Remember an id; an older one than are remembered is too old by its timestamp anyway."""
        with self._lock:
            if delivery_id in self._known:
                return False
            self._known[delivery_id] = None
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
            self.poked += 1
            return True

    def _say(self, problem: str) -> None:
        """Log a problem, the same kind of it once a minute: anybody may knock at this door."""
        kind, now = problem[:20], self._clock()
        with self._lock:
            if now - self._said.get(kind, float("-inf")) < _QUIET:
                return
            self._said[kind] = now
            refused = self.refused
        _log.warning("webhook refused: %s (%d refused so far)", problem, refused)
