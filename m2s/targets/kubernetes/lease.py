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

Body = Mapping[str, Any]


def identity() -> str:
    """Return a name for this process that no other one has, before or after a restart."""
    return f"{socket.gethostname()}_{os.getpid()}_{secrets.token_hex(4)}"


class Lease:
    """One candidate for a Lease.

    Args:
        api: asked with timeouts well below :data:`RENEW_DEADLINE`.
        namespace: where the Lease is.
        name: what it is called.
        holder: this candidate, as :func:`identity` returns it.
        changed: called without arguments when leadership is won, from the candidate's thread.
        clock: seconds, monotonic.
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
        self._until = float("-inf")
        self._observed: tuple[Any, ...] = ()
        self._observed_at = 0.0
        self._told, self._trouble = False, ""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="m2s-lease", daemon=True)

    @property
    def leading(self) -> bool:
        """Whether this process may write now: the fence, which needs no server to fall."""
        return self._clock() < self._until

    def start(self) -> None:
        """Try once, so that what can never work is said now; then go on in a daemon thread.

        Raises:
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
        if self._thread.is_alive():
            self._thread.join(_RELEASING)

    def _run(self) -> None:
        while not self._stopped.wait(RETRY):
            try:
                self.attempt()
                self._tell("")
            except ClusterError as error:
                self._tell(str(error))
            self._announce()
        self._let_go()

    def attempt(self) -> bool:
        """Win or renew the Lease if that is possible now; return whether this process leads.

        Raises:
            ClusterError: the server does not answer or refuses, or the Lease is another tool's.
        """
        asked_at = self._clock()
        found = self._ask("GET", name=self._name)
        if found.status == 404:
            body = {"metadata": self._metadata(), "spec": self._spec({})}
            answer = self._ask("POST", body)
        elif not found.ok:
            raise self._refused(found, "get")
        elif self._held_by_other(found.body):
            self._until = float("-inf")
            return False
        else:
            answer = self._ask("PUT", self._renewed(found.body), name=self._name)
        if answer.ok:
            # From before the request: others count from after it, so the fence falls first.
            self._until = asked_at + RENEW_DEADLINE
            self._announce()
        elif answer.status != 409:  # somebody else was quicker
            raise self._refused(answer, "update" if found.ok else "create")
        return self.leading

    def _held_by_other(self, lease: Body) -> bool:
        """Say whether another candidate holds it and has not been silent for its duration."""
        spec = lease.get("spec") or {}
        self._check_tool(lease, spec)
        record = tuple(spec.get(name) for name in _RECORD)
        if record != self._observed:
            self._observed, self._observed_at = record, self._clock()
        holder = spec.get("holderIdentity")
        if not holder or holder == self._holder:
            return False
        # The other's clock is not asked: only how long it has been silent on this one.
        duration = spec.get("leaseDurationSeconds") or DURATION
        return self._clock() < self._observed_at + duration

    def _check_tool(self, lease: Body, spec: Body) -> None:
        labels = (lease.get("metadata") or {}).get("labels") or {}
        if labels.get(MANAGED_BY) != "m2s":
            self._until = float("-inf")
            holder = spec.get("holderIdentity") or labels.get(MANAGED_BY) or "another tool"
            raise ClusterError(
                f"lease {self._name} in namespace {self._namespace} is not m2s's: "
                f"{holder} has it; choose another name with --lease-name"
            )

    def _renewed(self, lease: Body) -> Body:
        return {**lease, "spec": self._spec(lease.get("spec") or {})}

    def _spec(self, old: Body) -> dict[str, Any]:
        now = _micro_time()
        spec = {
            **old,
            "holderIdentity": self._holder,
            "leaseDurationSeconds": DURATION,
            "renewTime": now,
        }
        if old.get("holderIdentity") != self._holder:
            spec["acquireTime"] = now
            spec["leaseTransitions"] = old.get("leaseTransitions", -1) + 1
        return spec

    def _let_go(self) -> None:
        """Write an empty holder, which client-go does too: no candidate waits for the duration."""
        held, self._until = self.leading, float("-inf")
        if not held:
            return
        try:
            found = self._ask("GET", name=self._name)
            spec = found.body.get("spec") or {}
            if found.ok and spec.get("holderIdentity") == self._holder:
                spec = {**spec, "holderIdentity": "", "leaseDurationSeconds": 1}
                spec["renewTime"] = _micro_time()
                self._ask("PUT", {**found.body, "spec": spec}, name=self._name)
        except ClusterError:
            return  # it expires by itself

    def _announce(self) -> None:
        if self.leading is self._told:
            return
        self._told = self.leading
        where = f"lease {self._name} in namespace {self._namespace}"
        if self._told:
            _log.info("leading as %s: %s", self._holder, where)
            self._changed()
        else:
            _log.warning("no longer leading, nothing more is written: %s was not renewed", where)

    def _tell(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            _log.warning("%s", one_line(trouble))
        self._trouble = trouble

    def _metadata(self) -> dict[str, Any]:
        return {
            "name": self._name,
            "namespace": self._namespace,
            "labels": {MANAGED_BY: "m2s", "app.kubernetes.io/name": "m2s"},
        }

    def _ask(self, method: str, body: Body | None = None, *, name: str = "") -> Answer:
        head = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self._namespace}/leases"
        full = {**head, **body} if body is not None else None
        return self._api.ask(method, f"{path}/{name}".rstrip("/"), body=full)

    def _refused(self, answer: Answer, verb: str) -> ClusterError:
        key = Key(self._namespace, self._name)
        return refusal(answer, Asked(self._api.server, verb, key, "leases"))


_RECORD = ("holderIdentity", "leaseDurationSeconds", "acquireTime", "renewTime", "leaseTransitions")


def _micro_time() -> str:
    """Return now as a Kubernetes MicroTime, for people to read."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
