"""One container of a pod, over all its starts: what a kubelet does for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from tests.controllers.nodes import now
from tests.pods.containers import Container
from tests.pods.given import Unable
from tests.pods.probes import Probe

Json = dict[str, Any]
_TICK = 0.1
_LONGEST_WAIT = 8.0


class Running:
    """Starts the container, asks its probes, starts it again; :attr:`told` is its status.

    ``start`` starts it once. ``changed`` is called whenever ``told`` is another. ``leaving`` ends
    all: then the container gets its hook, SIGTERM and the rest of its grace period.
    """

    def __init__(
        self,
        body: Json,
        start: Callable[[Json], Container],
        changed: Callable[[], None],
        leaving: threading.Event,
    ) -> None:
        self.body, self._start, self._changed, self._leaving = body, start, changed, leaving
        self.told: Json = {"name": body["name"], "image": body["image"], "imageID": body["image"]}
        self.told |= {"ready": False, "started": False, "restartCount": 0}
        self.told["state"] = {"waiting": {"reason": "ContainerCreating"}}
        self._current: Container | None = None
        self._since = ""

    def once(self) -> bool:
        """Run it to its end, as an init container; whether that was 0."""
        if not self._begin():
            return False
        assert self._current is not None
        while not self._current.await_end(_TICK):
            if self._leaving.is_set():
                self._current.kill()
        return self._ended() == 0

    def keep(self, probes: Callable[[Json], Json], restarts: str) -> None:
        """Keep it running until the pod leaves, or it has ended and is not to start again."""
        while not self._leaving.is_set():
            if self._begin():
                self._watch(probes(self.body))
                if self._leaving.is_set():
                    return
                code = self._ended()
                if restarts == "Never" or (restarts == "OnFailure" and code == 0):
                    return
            self.wait_before_restart()

    def wait_before_restart(self) -> None:
        """Wait, longer after each start."""
        if "terminated" in self.told["state"]:
            self.told["restartCount"] += 1
            self.told["lastState"] = self.told["state"]
            message = f"back-off restarting failed container {self.body['name']}"
            self._tell({"waiting": {"reason": "CrashLoopBackOff", "message": message}})
        self._leaving.wait(min(_LONGEST_WAIT, 2.0 ** (self.told["restartCount"] - 1)))

    def leave(self, seconds: float) -> None:
        """Take leave of what runs: its hook, SIGTERM, and SIGKILL when its time is over."""
        container, deadline = self._current, time.monotonic() + seconds
        if container is None or container.exit_code() is not None:
            return
        hook = self.body.get("lifecycle", {}).get("preStop", {})
        if "exec" in hook:
            container.run(hook["exec"]["command"], seconds)
        elif "sleep" in hook:
            container.await_end(min(seconds, hook["sleep"]["seconds"]))
        container.terminate()
        container.await_end(max(0.1, deadline - time.monotonic()))
        container.kill()

    def _begin(self) -> bool:
        try:
            self._current = self._start(self.body)
        except Unable as error:
            reason, _, message = str(error).rpartition(": ")
            known = reason in ("ErrImagePull",)
            why = reason if known else "CreateContainerConfigError"
            self._tell({"waiting": {"reason": why, "message": message if known else str(error)}})
            return False
        self._since = now()
        has_probe = "startupProbe" in self.body
        self._tell({"running": {"startedAt": self._since}}, started=not has_probe)
        return True

    def _watch(self, probes: Json) -> None:
        """Ask the probes as long as it runs; kill it where they say so."""
        container = self._current
        assert container is not None
        kinds = {kind: probe for kind, probe in probes.items() if probe}
        while container.exit_code() is None and not self._leaving.wait(_TICK):
            startup: Probe | None = kinds.get("startupProbe")
            if startup and not startup.passed:
                startup.look(container.run)
                if startup.passed is False:
                    container.kill()
                continue
            for kind in ("livenessProbe", "readinessProbe"):
                if kind in kinds:
                    kinds[kind].look(container.run)
            if "livenessProbe" in kinds and kinds["livenessProbe"].passed is False:
                container.kill()
                continue
            ready = "readinessProbe" not in kinds or kinds["readinessProbe"].passed is True
            self._tell(self.told["state"], started=True, ready=ready)

    def _ended(self) -> int:
        container = self._current
        assert container is not None
        code = container.exit_code() or 0
        ended: Json = {"exitCode": code, "reason": "Completed" if code == 0 else "Error"}
        ended |= {"startedAt": self._since, "finishedAt": now()}
        if code and self.body.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            ended["message"] = container.tail()
        self._tell({"terminated": ended})
        return code

    def _tell(self, state: Json, *, started: bool = False, ready: bool = False) -> None:
        new = {**self.told, "state": state, "started": started, "ready": ready}
        if new != self.told:
            self.told.update(new)
            self._changed()
