"""A Kubernetes watch on one owner's deployments, for as long as anybody wants to know."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing, suppress

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from m2s.base.errors import ClusterError
from m2s.base.labels import MANAGED_BY, OWNER
from m2s.base.threads import Kept, Pulse
from m2s.domain.deployments import LiveDeployment
from m2s.domain.resource import Resource
from m2s.domain.versions import Key
from m2s.objects.body import controlled
from m2s.platforms import catalogue
from m2s.targets.kubernetes import decoder, paths
from m2s.targets.kubernetes.api import Api
from m2s.targets.kubernetes.failures import Asked, refusal
from m2s.targets.kubernetes.stream import LINE, Broken, events

_log = logging.getLogger("m2s.watch")

ROUND = 240
"""Seconds after which the server ends a watch and it is taken up again, as it does to anybody's."""
_SILENCE = ROUND + 30.0
_LONGEST_ROUND = ROUND + 30.0
"""Seconds after which a round is ended here, when the server does not end it."""
_DEAF = 150.0
"""Seconds without a bookmark: a second one is missing (apiserver ``cacher.go``: one a minute)."""
_SHORT = 5.0
_LONGEST_PAUSE = 30.0
_BOUND = _LONGEST_ROUND + 4 * _LONGEST_PAUSE

Seen = Callable[[Key, LiveDeployment | None], None]


class KindsWatch:
    """Calls ``seen`` with each object of the owners that is there, changes, or goes (None).

    It starts, and after a 410 Gone starts again, without a resourceVersion: the server then tells
    of every object once, so nothing that happened meanwhile is missed but a deletion, which the
    next pass finds. A server that is gone is asked again after 1, 2, 4 … 30 seconds.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        owners: Iterable[str],
        seen: Seen,
        *,
        resource: Resource | None = None,
        pause: float = 1.0,
    ) -> None:
        """Watch objects of one kind, by default the default platform's.

        ``pause`` is the first one after trouble, in seconds.
        """
        self._pause = pause
        self._resource = resource or catalogue.default().resource
        self._api, self._namespace, self._seen = api, namespace, seen
        self._labels = f"{MANAGED_BY}=m2s,{OWNER} in ({','.join(sorted(owners))})"
        self._stopped = threading.Event()
        self._asked = Asked(api.server, "watch", Key(namespace, ""), self._resource.plural)
        self._stream: BaseHTTPResponse | None = None
        self._trouble = ""
        self._rounds, self._up, self._heard = 0, False, 0.0
        self._thread = Kept("m2s-watch", self._run, self._stopped, pause)

    def start(self) -> None:
        """Begin, in a daemon thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End at once; what is under way is dropped."""
        self._stopped.set()
        if self._stream is not None:
            with suppress(ValueError, RuntimeError, OSError):  # it has ended
                self._stream.shutdown()

    def join(self, seconds: float) -> None:
        """Wait for the thread's end."""
        self._thread.join(seconds)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.alive

    def unbroken(self) -> object | None:
        """Return what stays the same while nothing can be missed, None while something could be.

        A bookmark comes about every minute where nothing else does: without any, the connection
        may be dead and nobody has been told.
        """
        alive = self._up and time.monotonic() - self._heard < _DEAF
        return self._rounds if alive else None

    def _run(self, pulse: Pulse) -> None:
        pause, version, self._up = self._pause, "", False
        while not self._stopped.is_set():
            try:
                begun = time.monotonic()
                version, trouble = self._follow(version, pulse), ""
                if time.monotonic() - begun > _SHORT:
                    pause = self._pause
                    continue
            except Broken as error:
                version, trouble = (version if error.resumes else ""), str(error)
            except ClusterError as error:
                version, trouble = "", str(error)
            self._up = False
            self._tell(trouble)
            self._stopped.wait(pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _follow(self, version: str, pulse: Pulse) -> str:
        """Follow one round to its end and return the version to take it up from."""
        pulse.beat(_BOUND)
        if not version:
            self._rounds += 1
        self._stream = stream = self._open(version)
        self._heard, self._up = time.monotonic(), True
        try:
            for event in events(stream, self._asked, self._resource):
                if self._stopped.is_set():
                    break
                pulse.beat(_BOUND)
                self._heard, version = time.monotonic(), event.version or version
                if event.live is not None and not self._is_copied(event.live):
                    self._tell("")
                    gone = event.kind == "DELETED"
                    self._seen(event.live.key, None if gone else event.live)
        finally:
            stream.close()
        return version

    def _is_copied(self, live: LiveDeployment) -> bool:
        """Whether a controller made a built-in object, with labels of ours that it copied."""
        return self._resource.group == "apps" and controlled(live.body) is not None

    def _open(self, version: str) -> BaseHTTPResponse:
        query = {
            "watch": "true",
            "labelSelector": self._labels,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(ROUND),
            **({"resourceVersion": version} if version else {}),
        }
        path = paths.of(self._resource, self._namespace)
        answer = self._api.open(path, query, silence=_SILENCE, longest=_LONGEST_ROUND)
        if answer.status != 200:
            raise self._refused(answer)
        return answer

    def _refused(self, answer: BaseHTTPResponse) -> Exception:
        with closing(answer):
            try:
                said = decoder.decoded(answer.status, answer.read(LINE), self._asked)
            except HTTPError as error:
                return Broken(f"the connection broke off ({type(error).__name__})")
        return Broken("") if said.status == 410 else refusal(said, self._asked)

    def _tell(self, trouble: str) -> None:
        """Say what is wrong once, and once that it is over."""
        if trouble != self._trouble and not self._stopped.is_set():
            if trouble:
                _log.warning("edits are noticed at the next interval only: %s", trouble)
            else:
                _log.info("edits are noticed at once again")
        self._trouble = trouble
