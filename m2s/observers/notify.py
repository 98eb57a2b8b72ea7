"""Webhooks that are told what happened to deployments, each by a thread of its own.

Nothing waits for them or fails with them. A message is a CloudEvent (CloudEvents 1.0, the
structured JSON of its HTTP binding), or what the template of its webhook says.
"""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from m2s.base import mask
from m2s.base.errors import M2sError
from m2s.base.labels import MODEL, MODEL_VERSION, OWNER
from m2s.base.threads import Kept, Pulse, brief
from m2s.settings.notify import PLACEHOLDER, Hook, usable
from m2s.targets.kubernetes.events import Event

_log = logging.getLogger("m2s.notify")

_WAITING = 1000
"""Messages that may wait for one webhook; more are dropped, counted and told."""
_TRIES = 5
_FIRST_PAUSE = 1.0
_TIMEOUT = 10.0


class Notifier:
    """Sends Events to the webhooks that want them, in the ``environment``, "" without one.

    ``counted`` counts messages by what became of them: sent, failed, dropped. ``pause``: seconds
    before the second try, doubled before each further one.
    """

    def __init__(
        self,
        hooks: Sequence[Hook],
        environment: str,
        counted: Counter[str],
        pause: float = _FIRST_PAUSE,
    ) -> None:
        self._environment = environment
        counted.update({"sent": 0, "failed": 0, "dropped": 0})
        self._posts = [_Post(at, hook, counted, pause) for at, hook in enumerate(hooks)]

    def record(self, event: Event) -> None:
        """Have it told soon; returns at once and raises nothing."""
        fields = _fields(event) | {"environment": self._environment}
        for post in self._posts:
            if event.reason in post.hook.on:
                post.put(fields)

    def close(self, seconds: float) -> None:
        """Take no more, and wait so long at most until all is told."""
        until = time.monotonic() + seconds
        for post in self._posts:
            post.end()
        for post in self._posts:
            post.join(max(0.0, until - time.monotonic()))


def _fields(event: Event) -> dict[str, str]:
    notes = dict(event.notes)
    return {
        "deployment": event.key.name,
        "kind": event.key.kind,
        "namespace": event.key.namespace,
        "reason": event.reason,
        "message": mask.text(event.message),
        "owner": notes.get(OWNER, ""),
        "model": notes.get(MODEL, ""),
        "version": notes.get(MODEL_VERSION, ""),
        "time": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }


class _Post:
    """One webhook and its thread."""

    def __init__(self, at: int, hook: Hook, counted: Counter[str], pause: float) -> None:
        self.hook, self._counted, self._pause = hook, counted, pause
        self._name = f"notify[{at}]"
        self._queue: queue.Queue[Mapping[str, str] | None] = queue.Queue(_WAITING)
        self._ended, self._left = threading.Event(), threading.Event()
        self._full = False
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._thread = Kept(f"m2s-{self._name}", self._run, self._ended)
        self._thread.start()

    def put(self, fields: Mapping[str, str]) -> None:
        """Have a message sent; one that there is no room for is dropped."""
        try:
            self._queue.put_nowait(fields)
            self._full = False
        except queue.Full:
            self._counted["dropped"] += 1
            if not self._full:
                _log.warning("%s: %d messages wait, more are dropped", self._name, _WAITING)
            self._full = True

    def end(self) -> None:
        """Take no more."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)
        self._ended.set()

    def join(self, seconds: float) -> None:
        """Wait so long at most until the last message is sent; then leave what is left."""
        self._thread.join(seconds)
        self._left.set()

    def _run(self, pulse: Pulse) -> None:
        pulse.beat()  # however long a webhook takes: no probe fails for it
        while (fields := self._queue.get()) is not None and not self._left.is_set():
            sent = self._send(*_body(self.hook, fields))
            self._counted["sent" if sent else "failed"] += 1

    def _send(self, body: bytes, content_type: str) -> bool:
        """Send a message, several times if need be, and return whether it came."""
        pause, why = self._pause, ""
        for number in range(_TRIES):
            if number and self._left.wait(pause * 2 ** (number - 1)):
                break
            why, again = self._try(body, content_type)
            if not why:
                return True
            if not again:
                break
        _log.warning("%s: a message did not come: %s", self._name, mask.text(why))
        return False

    def _try(self, body: bytes, content_type: str) -> tuple[str, bool]:
        """Return why the message did not come, "" where it did, and whether to try again."""
        try:
            request = self._request(body, content_type)
            with self._opener.open(request, timeout=_TIMEOUT):
                return "", False
        except urllib.error.HTTPError as error:
            error.close()
            again = error.code >= 500 or error.code in (408, HTTPStatus.TOO_MANY_REQUESTS)
            return f"it answered {error.code}", again
        except OSError as error:
            why = getattr(error, "reason", error)
            return (
                f"it cannot be reached: {getattr(why, 'strerror', None) or type(why).__name__}",
                True,
            )
        except M2sError as error:
            return str(error), True  # a file that may be there by then
        except Exception as error:  # noqa: BLE001 - a message is in nobody's way
            return brief(error), False

    def _request(self, body: bytes, content_type: str) -> urllib.request.Request:
        headers = {"Content-Type": content_type, "User-Agent": "m2s"}
        if self.hook.token_file:
            headers["Authorization"] = f"Bearer {_read(self.hook.token_file)}"
        url = self.hook.url or _read(str(self.hook.url_file))
        if not usable(url):
            raise M2sError(f"{self.hook.url_file} has no http or https URL")
        return urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - checked


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nowhere: the token is for the one webhook."""

    def redirect_request(self, *_: Any) -> None:
        """Refuse; the answer is an error then."""


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeError) as error:
        raise M2sError(f"{path} cannot be read: {brief(error)}") from error


def _body(hook: Hook, fields: Mapping[str, str]) -> tuple[bytes, str]:
    """Return the body of a message and its type."""
    if isinstance(hook.template, str):
        return _filled(hook.template, fields).encode(errors="replace"), "text/plain; charset=utf-8"
    if hook.template is not None:
        return json.dumps(_filled(hook.template, fields)).encode(), "application/json"
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": f"m2s/{fields['namespace']}",
        "type": f"io.m2s.deployment.{fields['reason'].lower()}",
        "subject": fields["deployment"],
        "time": fields["time"],
        "datacontenttype": "application/json",
        "data": {name: value for name, value in fields.items() if name != "time"},
    }
    return json.dumps(event).encode(), "application/cloudevents+json; charset=utf-8"


def _filled(part: Any, fields: Mapping[str, str]) -> Any:
    """Return a template with its placeholders filled, in every text of it."""
    if isinstance(part, str):
        return PLACEHOLDER.sub(lambda found: fields.get(found[1], ""), part)
    if isinstance(part, dict):
        return {key: _filled(value, fields) for key, value in part.items()}
    return [_filled(each, fields) for each in part] if isinstance(part, list) else part
