"""Leadership by a coordination.k8s.io Lease, with the semantics of client-go's leaderelection.

The Python client's own ``kubernetes.leaderelection`` (37.0) cannot be stopped or release its
Lease, measures by the wall clock, counts no transitions and ends on a broken connection.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from m2s.base.errors import ClusterError, ClusterUnavailable
from m2s.base.labels import MANAGED_BY
from m2s.base.threads import Kept, Pulse
from m2s.base.wording import one_line
from m2s.domain.versions import Key
from m2s.targets.kubernetes.api import Api
from m2s.targets.kubernetes.failures import Answer, Asked, refusal

_log = logging.getLogger("m2s.lease")

DURATION = 15
"""Seconds that others wait after the last renewal they saw, before they take over."""
RENEW_DEADLINE = 10.0
"""Seconds after its last renewal until which a leader may write: it gives up before others come."""
RETRY = 2.0
"""Seconds between two renewals or two tries."""
_RELEASING = 2.0
_BOUND = 30.0
"""Seconds that one try takes at the most: two requests, each with its repeats."""
_METHODS = {"get": "GET", "create": "POST", "update": "PUT"}
_RECORD = {
    "holderIdentity": str,
    "leaseDurationSeconds": int,
    "acquireTime": str,
    "renewTime": str,
    "leaseTransitions": int,
}

Body = Mapping[str, Any]


def identity() -> str:
    """Return a name for this process that no other one has, before or after a restart."""
    return f"{socket.gethostname()}_{os.getpid()}_{secrets.token_hex(4)}"


class Lease:
    """One candidate for a Lease: ``holder``, as :func:`identity` returns it.

    ``api`` is asked with timeouts well below :data:`RENEW_DEADLINE`. ``changed`` is called when
    leadership is won, from the candidate's thread. ``clock``: seconds, monotonic.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        name: str,
        holder: str,
        *,
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api, self._namespace, self._name = api, namespace, name
        self._holder, self._changed, self._clock = holder, changed, clock
        self._where = f"lease {name} in namespace {namespace}"
        self._until = float("-inf")
        self._observed: tuple[Any, ...] = ()
        self._observed_at = 0.0
        self._told, self._trouble = False, ""
        self._stopped = threading.Event()
        self._thread = Kept("m2s-lease", self._run, self._stopped)

    @property
    def leading(self) -> bool:
        """Whether this process may write now: the fence, which needs no server to fall."""
        return self._clock() < self._until

    def left(self) -> float:
        """Return the seconds until another one may lead: a write has to be over by then."""
        return self._until + DURATION - RENEW_DEADLINE - self._clock()

    def start(self) -> None:
        """Try once, so that what can never work is said now; then go on in a daemon thread.

        ClusterError: the Lease is another tool's, or may not be read or written.
        """
        try:
            self.attempt()
        except ClusterUnavailable as error:
            self._tell(str(error))
        self._thread.start()

    def release(self) -> None:
        """Stop, and let go of the Lease so that another takes over at once; two seconds at most."""
        self._stopped.set()
        self._thread.join(_RELEASING)

    def _run(self, pulse: Pulse) -> None:
        pulse.beat(_BOUND)
        while not self._stopped.wait(RETRY):
            pulse.beat(_BOUND)
            try:
                self.attempt()
                self._tell("")
            except ClusterError as error:
                self._tell(str(error))
            self._announce()
        self._let_go()

    def attempt(self) -> bool:
        """Win or renew the Lease if that is possible now; return whether this process leads.

        ClusterError: the server does not answer or refuses, or the Lease is another tool's.
        """
        asked_at = self._clock()
        found = self._ask("get")
        if found.says_absent("leases", self._name):
            labels = {MANAGED_BY: "m2s", "app.kubernetes.io/name": "m2s"}
            about = {"name": self._name, "namespace": self._namespace, "labels": labels}
            answer = self._ask("create", {"metadata": about, "spec": self._spec({})})
        elif not found.ok:
            raise refusal(found, self._asked("get"))
        elif self._held_by_other(found.body):
            self._until = float("-inf")
            return False
        else:
            spec = self._spec(found.body.get("spec") or {})
            answer = self._ask("update", {**found.body, "spec": spec})
        if answer.ok and self._checked(answer.body).get("holderIdentity") == self._holder:
            # From before the request: others count from after it, so the fence falls first.
            self._until = asked_at + RENEW_DEADLINE
            self._announce()
        elif not answer.ok and answer.status != 409:  # somebody else was quicker
            raise refusal(answer, self._asked("update" if found.ok else "create"))
        return self.leading

    def _held_by_other(self, lease: Body) -> bool:
        """Say whether another candidate holds it and has not been silent for its duration."""
        spec = self._checked(lease)
        record = tuple(spec.get(name) for name in _RECORD)
        if record != self._observed:
            self._observed, self._observed_at = record, self._clock()
        holder = spec.get("holderIdentity")
        if not holder or holder == self._holder:
            return False
        # The other's clock is not asked: only how long it has been silent on this one.
        duration = spec.get("leaseDurationSeconds") or DURATION
        return self._clock() < self._observed_at + duration

    def _checked(self, lease: Body) -> dict[str, Any]:
        """Return the spec of a Lease that is m2s's and says what a Lease says (law 11)."""
        labels, spec = lease["metadata"].get("labels") or {}, lease.get("spec") or {}
        mappings = isinstance(labels, dict) and isinstance(spec, dict)
        if not mappings or not all(isinstance(spec.get(n), t | None) for n, t in _RECORD.items()):
            raise ClusterError(f"{self._where} cannot be read: it is not as Kubernetes has it")
        if labels.get(MANAGED_BY) != "m2s":
            self._until = float("-inf")
            holder = spec.get("holderIdentity") or labels.get(MANAGED_BY) or "another tool"
            raise ClusterError(
                f"{self._where} is not m2s's: {holder} has it; "
                "choose another name with --lease-name"
            )
        return spec

    def _spec(self, old: Body) -> dict[str, Any]:
        now = _micro_time()
        held = {"holderIdentity": self._holder, "leaseDurationSeconds": DURATION}
        spec = {**old, **held, "renewTime": now}
        if old.get("holderIdentity") != self._holder:
            spec["acquireTime"] = now
            transitions = old.get("leaseTransitions")
            spec["leaseTransitions"] = 0 if transitions is None else transitions + 1
        return spec

    def _let_go(self) -> None:
        """Write an empty holder, which client-go does too: no candidate waits for the duration."""
        held, self._until = self.leading, float("-inf")
        if not held:
            return
        try:
            found = self._ask("get")
            spec = self._checked(found.body) if found.ok else {}
            if spec.get("holderIdentity") == self._holder:
                spec = {**spec, "holderIdentity": "", "leaseDurationSeconds": 1}
                spec["renewTime"] = _micro_time()
                self._ask("update", {**found.body, "spec": spec})
        except ClusterError:
            return  # it expires by itself

    def _announce(self) -> None:
        if self.leading is self._told:
            return
        self._told = self.leading
        if self._told:
            _log.info("leading as %s: %s", self._holder, self._where)
            self._changed()
        else:
            lost = "no longer leading, nothing more is written: %s was not renewed"
            _log.warning(lost, self._where)

    def _tell(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            _log.warning("%s", one_line(trouble))
        self._trouble = trouble

    def _ask(self, verb: str, body: Body | None = None) -> Answer:
        head = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self._namespace}/leases"
        full = {**head, **body} if body is not None else None
        whole = path if verb == "create" else f"{path}/{self._name}"
        return self._api.ask(_METHODS[verb], whole, self._asked(verb), body=full)

    def _asked(self, verb: str) -> Asked:
        return Asked(self._api.server, verb, Key(self._namespace, self._name), "leases")


def _micro_time() -> str:
    """Return now as a Kubernetes MicroTime, for people to read."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
