"""Our deployments as they were last seen, by a pass or by the cluster's events since."""

import threading

from m2s.domain.deployments import LiveDeployment
from m2s.domain.versions import Key
from m2s.platforms import catalogue
from m2s.watch.report import PassReport


class Sight:
    """An observer of passes, and of the cluster's events; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[Key, LiveDeployment] = {}

    def __call__(self, report: PassReport) -> None:
        """Take note of how a pass left the deployments of its owners."""
        if report.plan is None or report.repeats:
            return
        owners = report.plan.scope.owners
        left = {key: live for key, live in report.left().items() if live.owner in owners}
        with self._lock:
            self._seen = {key: _newer(self._seen.get(key), live) for key, live in left.items()}

    def observe(self, key: Key, live: LiveDeployment | None) -> None:
        """Take note of one of our deployments as it is now; None when it is gone."""
        with self._lock:
            old = self._seen.pop(key, None)
            if live and old and old.parts and not live.fault:
                # The cluster tells of one object at a time: what is beside it is as it was.
                live = catalogue.live(key, live.body, old.parts[1:])
            if live and (old or not catalogue.companions(key.kind)):
                self._seen[key] = live

    def deployments(self) -> tuple[LiveDeployment, ...]:
        """Return them, by name."""
        with self._lock:
            return tuple(self._seen[key] for key in sorted(self._seen))


def _newer(seen: LiveDeployment | None, left: LiveDeployment) -> LiveDeployment:
    """Return the later one: an event may overtake the pass that listed the object before it.

    The API server's versions of one object can be compared as numbers (Kubernetes' documentation,
    "API concepts: Resource versions"); a folder's, which are digests, have no events.
    """
    if seen is None or seen.uid != left.uid:
        return left
    versions = (seen.resource_version, left.resource_version)
    if not all(version.isdecimal() for version in versions):
        return left
    return max(left, seen, key=lambda live: int(live.resource_version))
