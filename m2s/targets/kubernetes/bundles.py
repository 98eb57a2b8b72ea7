"""Deployments that are stored as a primary object and companions that it owns.

The primary object is written first and owns the others, so that its deletion takes them along.
Whatever a stopped run left out, the next one finds missing, and writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from m2s.base.errors import Conflict, Rejected
from m2s.base.gate import OPEN, Gate
from m2s.base.labels import MANAGED_BY
from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Manifest
from m2s.domain.resource import Resource
from m2s.domain.versions import Key
from m2s.objects.applied import changes_nothing
from m2s.objects.body import Body, controlled, named, owned, owners
from m2s.platforms import catalogue
from m2s.targets.kubernetes import guards, pages, paths, readable
from m2s.targets.kubernetes.api import Api
from m2s.targets.kubernetes.failures import Asked
from m2s.targets.kubernetes.objects import Objects


class Bundles:
    """The deployments of one namespace whose platforms have companions."""

    def __init__(self, api: Api, objects: Objects, namespace: str) -> None:
        self._api, self._objects, self._namespace = api, objects, namespace

    def joined(
        self, primaries: Iterable[LiveDeployment], kinds: Iterable[Resource]
    ) -> list[LiveDeployment]:
        """Return deployments together with their companions: one list of each kind."""
        found = [one for kind in kinds for one in self._companions(kind)]
        return [_joined(one, _of(one, found)) for one in primaries]

    def _companions(self, resource: Resource) -> Iterable[LiveDeployment]:
        asked = Asked(self._api.server, "list", Key(self._namespace, ""), resource.plural)
        path, chosen = paths.of(resource, self._namespace), {"labelSelector": f"{MANAGED_BY}=m2s"}
        for body in pages.items(self._api, path, asked, chosen):
            yield readable.live(body, resource)

    def preview(self, manifest: Manifest, live: LiveDeployment | None) -> Body:
        """Return what dry runs of :meth:`apply` leave, as one body."""
        platform, owner = catalogue.of(manifest.key), live.stored[0] if live else None
        primary, *companions = platform.stored(manifest.body)
        written = self._objects.preview(manifest.key, primary, _single(owner) if owner else None)
        beside = []
        for body in companions:
            there = self._there(body, primary, live)
            new = owned(body, owner) if owner else body
            beside.append(self._objects.preview(_key(body), new, there))
        return platform.seen(written, beside)

    def apply(
        self, manifest: Manifest, live: LiveDeployment | None, gate: Gate = OPEN
    ) -> LiveDeployment:
        """Write what differs, the primary object first."""
        primary, *companions = catalogue.of(manifest.key).stored(manifest.body)
        if live is None:
            written = self._objects.apply(manifest.key, primary, None, gate)
        elif changes_nothing(primary, live.stored[0]):
            written = _single(live.stored[0])
        else:
            self._raise_if_moved(live)
            written = self._objects.apply(manifest.key, primary, _single(live.stored[0]), gate)
        beside = [self._beside(body, written, live, gate) for body in companions]
        return _joined(written, beside)

    def _beside(
        self, body: Body, primary: LiveDeployment, live: LiveDeployment | None, gate: Gate
    ) -> LiveDeployment:
        there, new = self._there(body, primary.body, live), owned(body, primary.body)
        if there and changes_nothing(new, there.body):
            return there
        try:
            return self._objects.apply(_key(body), new, there, gate)
        except (Conflict, Rejected) as error:
            raise type(error)(f"its {' '.join(named(body))}: {error}") from error

    def delete(self, live: LiveDeployment, gate: Gate = OPEN) -> None:
        """Delete the primary object; the server's garbage collector deletes what it owns."""
        self._raise_if_moved(live)
        self._objects.delete(_single(live.stored[0]), gate)

    def raise_if_controlled(self, key: Key) -> None:
        """Raise Rejected where the object of this name is another one's, which no list shows."""
        there = self._objects.get(key)
        if there and (other := controlled(there.body)):
            raise Rejected(
                f"{key.kind} {key.name} belongs to {other.get('kind')} {other.get('name')}: give "
                "this deployment another metadata.name"
            )

    def _raise_if_moved(self, live: LiveDeployment) -> None:
        """Raise Conflict where a companion is no longer what was seen: it may hold an order."""
        for seen in map(_single, live.stored[1:]):
            guards.unmoved(seen, self._objects.get(seen.key))

    def _there(
        self, body: Body, primary: Body, live: LiveDeployment | None
    ) -> LiveDeployment | None:
        """Return what a companion is written over, None for nothing.

        Rejected: something has its name that is not this deployment's.
        """
        known = [part for part in live.stored[1:] if named(part) == named(body)] if live else []
        there = _single(known[0]) if known else self._objects.get(_key(body))
        if there is None or known:
            return there
        what, whose = " ".join(named(body)), owners(there.body)
        if not whose and there.labels.get(MANAGED_BY) != "m2s":
            take = f"label it {MANAGED_BY}=m2s for m2s to take it over, or delete it"
            raise Rejected(f"there is a {what} that is not m2s's: {take}")
        for each in whose:
            if (each.get("kind"), each.get("name")) != named(primary):
                other = f"{each.get('kind')} {each.get('name')}"
                remedy = "give this deployment another metadata.name"
                raise Rejected(f"there is a {what} that belongs to {other}: {remedy}")
        return there


def _key(body: Body) -> Key:
    return Key(body["metadata"]["namespace"], body["metadata"]["name"], body["kind"])


def _single(body: Body) -> LiveDeployment:
    return LiveDeployment(_key(body), body)


def _of(primary: LiveDeployment, found: Iterable[LiveDeployment]) -> list[LiveDeployment]:
    return [one for one in found if primary.uid in {each.get("uid") for each in owners(one.body)}]


def _joined(primary: LiveDeployment, companions: Sequence[LiveDeployment]) -> LiveDeployment:
    if primary.fault:
        return primary
    return catalogue.live(primary.key, primary.body, tuple(one.body for one in companions))
