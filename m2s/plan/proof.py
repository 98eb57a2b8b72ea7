"""Pure: the proof, from the live objects alone, that the server would change nothing (law 3)."""

from __future__ import annotations

from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Manifest
from m2s.objects import applied
from m2s.objects.body import named, owned
from m2s.platforms import catalogue


def changes_nothing(manifest: Manifest, live: LiveDeployment) -> bool:
    """Whether applying ``manifest`` as it is over ``live`` provably leaves ``live`` as it is.

    False says nothing: the server has to be asked.
    """
    primary, *companions = catalogue.of(live.key).stored(manifest.body)
    owner, *beside = live.stored
    there = {named(part): part for part in beside}
    return applied.changes_nothing(primary, owner) and all(
        named(each) in there and applied.changes_nothing(owned(each, owner), there[named(each)])
        for each in companions
    )
