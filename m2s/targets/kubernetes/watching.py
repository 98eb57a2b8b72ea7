"""A Kubernetes watch on one owner's SeldonDeployments, for as long as anybody wants to know."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from kubernetes.client.exceptions import ApiException
from kubernetes.watch import Watch
from urllib3.exceptions import HTTPError

from m2s.base.errors import ClusterError
from m2s.base.labels import MANAGED_BY, OWNER
from m2s.domain.deployments import LiveDeployment
from m2s.domain.resource import GROUP, PLURAL, VERSION
from m2s.domain.versions import Key
from m2s.targets.kubernetes.api import Api
from m2s.targets.kubernetes.failures import Answer, Asked, refusal

_log = logging.getLogger("m2s.watch")

ROUND = 240
"""Seconds after which the server ends a watch and it is taken up again, as it does to anybody's."""
_SILENCE = ROUND + 30.0
_DEAF = 150.0
"""Seconds without a bookmark: a second one is missing (apiserver ``cacher.go``: one a minute)."""
_SHORT = 5.0
_LONGEST_PAUSE = 30.0

Seen = Callable[[Key, LiveDeployment | None], None]


class Watching:
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
        pause: float = 1.0,
    ) -> None:
        """``pause`` is the first one after trouble, in seconds."""
        self._pause = pause
        self._api, self._namespace, self._seen = api, namespace, seen
        self._labels = f"{MANAGED_BY}=m2s,{OWNER} in ({','.join(sorted(owners))})"
        self._stopped = threading.Event()
        self._watch: Watch | None = None
        self._trouble = ""
        self._rounds, self._up, self._heard = 0, False, 0.0
        self._thread = threading.Thread(target=self._run, name="m2s-watch", daemon=True)

    def start(self) -> None:
        """Begin, in a daemon thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End at once; what is under way is dropped."""
        self._stopped.set()
        if self._watch is not None:
            self._watch.stop()

    def join(self, seconds: float) -> None:
        """Wait for the thread's end."""
        self._thread.join(seconds)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def unbroken(self) -> object | None:
        """Return what stays the same while nothing can be missed, None while something could be.

        A bookmark comes about every minute where nothing else does: without any, the connection
        may be dead and nobody has been told.
        """
        alive = self._up and time.monotonic() - self._heard < _DEAF
        return self._rounds if alive else None

    def _run(self) -> None:
        pause, version = self._pause, None
        while not self._stopped.is_set():
            try:
                begun = time.monotonic()
                version, trouble = self._follow(version), ""
                if time.monotonic() - begun > _SHORT:
                    pause = self._pause
                    continue
            except ApiException as gone:  # an ERROR event in the stream, 410 for the most part
                version, trouble = None, "" if gone.status == 410 else str(gone.reason)
            except HTTPError as error:
                trouble = f"the connection broke off ({type(error).__name__})"
            except ClusterError as error:
                version, trouble = None, str(error)
            self._up = False
            self._tell(trouble)
            self._stopped.wait(pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _follow(self, version: str | None) -> str | None:
        """Follow one round to its end and return the version to take it up from."""
        self._watch = watch = Watch(return_type="object")
        more = {"resource_version": version} if version else {}
        if version is None:
            self._rounds += 1
        for event in watch.stream(self._open, timeout_seconds=ROUND, **more):
            if self._stopped.is_set():
                break
            self._heard = time.monotonic()
            if event is not None and event["type"] != "BOOKMARK":
                self._tell("")
                self._hand_on(event["type"], event["raw_object"])
        return str(watch.resource_version) if watch.resource_version else None

    def _hand_on(self, kind: str, body: Any) -> None:
        metadata = body["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        self._seen(key, None if kind == "DELETED" else LiveDeployment(key, body))

    def _open(self, *, resource_version: str = "", timeout_seconds: int, **_: Any) -> Any:
        """Ask for the stream; ``Watch`` wants a function of these names."""
        query = {
            "watch": "true",
            "labelSelector": self._labels,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(timeout_seconds),
            **({"resourceVersion": resource_version} if resource_version else {}),
        }
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{self._namespace}/{PLURAL}"
        answer = self._api.open(path, query, silence=_SILENCE)
        if answer.status == 410:
            answer.release_conn()
            raise ApiException(status=410, reason="Gone")
        if answer.status != 200:
            raise self._refused(answer)
        self._heard, self._up = time.monotonic(), True
        return answer

    def _refused(self, answer: Any) -> ClusterError:
        try:
            body = answer.json()
        except ValueError:
            body = {}
        asked = Asked(self._api.server, "watch", Key(self._namespace, ""))
        return refusal(Answer(answer.status, body if isinstance(body, dict) else {}), asked)

    def _tell(self, trouble: str) -> None:
        """Say what is wrong once, and once that it is over."""
        if trouble != self._trouble and not self._stopped.is_set():
            if trouble:
                _log.warning("edits are noticed at the next interval only: %s", trouble)
            else:
                _log.info("edits are noticed at once again")
        self._trouble = trouble
