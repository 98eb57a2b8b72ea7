"""The engine's look-up of what only the registry can resolve: ``models:/…`` and ``runs:/…``.

The version's own location is resolved when it is described. This is about those that a person wrote
in other places of a description: explainers, children, other predictors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from m2s.base.workers import Workers
from m2s.domain.manifests import Desired, Manifest, Undeployable
from m2s.domain.versions import Unreadable
from m2s.objects.body import replaced, sealed
from m2s.objects.layers import dotted
from m2s.platforms import catalogue
from m2s.platforms.common.locating import UNRESOLVED, scheme
from m2s.platforms.common.reader import Reader
from m2s.platforms.platform import ModelUri
from m2s.platforms.problem import Problem
from m2s.settings.groups import Settings
from m2s.sources.source import Registry

Found = Mapping[str, str | Unreadable]


def resolved(
    results: Sequence[Desired], registry: Registry, settings: Settings, workers: Workers
) -> tuple[Desired, ...]:
    """Return ``results`` with the storage URI of every location, each looked up once.

    A manifest with one that cannot be told becomes :class:`~m2s.domain.manifests.Undeployable`.
    """
    manifests = [item for item in results if isinstance(item, Manifest)]
    asked = sorted({place.uri for item in manifests for place in _unresolved(item)})
    if not asked:
        return tuple(results)
    found = dict(
        zip(asked, workers.each("Looking up models", registry.resolve, asked), strict=True)
    )
    return tuple(
        _resolved(item, found, settings) if isinstance(item, Manifest) else item for item in results
    )


def _unresolved(item: Manifest) -> Iterator[ModelUri]:
    for place in catalogue.of(item.key).model_uris(item.body):
        if scheme(place.uri) in UNRESOLVED and not place.opaque:
            yield place


def _resolved(item: Manifest, found: Found, settings: Settings) -> Manifest | Undeployable:
    uris = {}
    reader = catalogue.of(item.key).reader(settings)
    for place in _unresolved(item):
        try:
            uris[place.path] = _servable(place.uri, found[place.uri], reader)
        except Problem as problem:
            return item.refused(f"{dotted(item.body, place.path)}: {problem}")
    return replace(item, body=sealed(replaced(item.body, uris))) if uris else item


def _servable(uri: str, found: str | Unreadable, reader: Reader) -> str:
    if isinstance(found, Unreadable):
        raise Problem(f"{uri}: {found.reason}")
    run = re.match(r"runs:/+([^/]+)", uri)
    return replace(reader, run_id=run[1] if run else None).of_registry(found)
