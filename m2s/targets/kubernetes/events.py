"""Kubernetes Events about deployments: what ``kubectl describe`` shows below an object.

They are written best-effort by a thread of their own: nothing waits for them or fails with them.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import secrets
import socket
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from m2s.base.errors import ClusterError, Rejected
from m2s.base.threads import Kept, Pulse
from m2s.base.wording import one_line
from m2s.domain.versions import Key
from m2s.platforms import catalogue
from m2s.targets.kubernetes.api import MERGE
from m2s.targets.kubernetes.failures import Asked, refusal
from m2s.targets.names import namespace_name, object_name

if TYPE_CHECKING:
    from m2s.targets.kubernetes.api import Api

_log = logging.getLogger("m2s.events")

_WAITING = 1000
"""Events that may wait to be written, as in client-go's broadcaster; more are dropped."""
_REMEMBERED = 1000
_BOUND = 240.0
"""Seconds for one Event: two requests with their repeats."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a deployment; ``uid`` is "" for one that is not there.

    ``reason`` is one CamelCase word for machines, ``message`` a line for people. ``notes`` are
    annotations, as pairs: whose it is, and which version it is about.
    """

    key: Key
    uid: str
    reason: str
    message: str
    warning: bool = False
    notes: tuple[tuple[str, str], ...] = ()


class Events:
    """Writes core/v1 Events; the same one again raises the ``count`` of the first, as kubectl's do.

    What goes wrong is logged once, until an Event could be written again.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._queue: queue.Queue[Event | None] = queue.Queue(_WAITING)
        self._written: OrderedDict[Event, tuple[str, int]] = OrderedDict()
        self._trouble = ""
        self._closed = threading.Event()
        self._thread = Kept("m2s-events", self._run, self._closed)
        self._thread.start()

    def record(self, event: Event) -> None:
        """Have an Event written soon; returns at once and raises nothing."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(event)

    def close(self, seconds: float) -> None:
        """Take no more, and wait so long at most until what was recorded is written."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)
        self._closed.set()
        self._thread.join(seconds)

    def _run(self, pulse: Pulse) -> None:
        while (event := self._next(pulse)) is not None:
            try:
                self._write(event)
                self._trouble = ""
            except Rejected:
                continue  # of a deployment whose name is none: no Event can have it either
            except ClusterError as error:
                if (trouble := str(error)) != self._trouble:
                    _log.warning("Events are not written, all else goes on: %s", one_line(trouble))
                self._trouble = trouble

    def _next(self, pulse: Pulse) -> Event | None:
        """Wait for an Event; None: it was the last one."""
        pulse.beat()
        event = self._queue.get()
        pulse.beat(_BOUND)
        return event

    def _write(self, event: Event) -> None:
        name, count = self._written.pop(event, ("", 0))
        again = {"count": count + 1, "lastTimestamp": _time()}
        # 404: the server has let it expire.
        if not (name and self._is_done("patch", event, name, again, unless=404)):
            # A name no other Event has: the object's, as client-go does, and a random part.
            stem = object_name(event.key.name)[:230].rstrip(".-")
            name, count = f"{stem}.{secrets.token_hex(8)}", 0
            # 409: a repeated request found what the first one had written.
            self._is_done("create", event, name, _body(event, name), unless=409)
        self._written[event] = (name, count + 1)
        if len(self._written) > _REMEMBERED:
            self._written.popitem(last=False)

    def _is_done(
        self, verb: str, event: Event, name: str, body: dict[str, Any], *, unless: int
    ) -> bool:
        """Write, and return False where the server answers with the status ``unless``."""
        namespace = namespace_name(event.key.namespace)
        asked = Asked(self._api.server, verb, Key(namespace, name), "events")
        path = f"/api/v1/namespaces/{namespace}/events"
        if verb == "create":
            answer = self._api.ask("POST", path, asked, body=body)
        else:
            whole = f"{path}/{name}"
            answer = self._api.ask("PATCH", whole, asked, body=body, content_type=MERGE)
        if not answer.ok and answer.status != unless:
            raise refusal(answer, replace(asked, key=Key(namespace, "")))
        return answer.ok


def _body(event: Event, name: str) -> dict[str, Any]:
    resource = catalogue.resource(event.key)
    where = {"namespace": event.key.namespace}
    about = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": event.key.name,
        **where,
    }
    now = _time()
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, **where, "annotations": dict(event.notes)},
        "involvedObject": {**about, **({"uid": event.uid} if event.uid else {})},
        "reason": event.reason,
        "message": one_line(event.message),
        "type": "Warning" if event.warning else "Normal",
        "source": {"component": "m2s"},
        "reportingComponent": "m2s",
        "reportingInstance": socket.gethostname(),
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }


def _time() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
