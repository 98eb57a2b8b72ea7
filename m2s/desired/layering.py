"""Which layers the deployment of one version is made of."""

from __future__ import annotations

from collections.abc import Sequence

from m2s.base.names import meant
from m2s.desired.manifest import ANCHORS
from m2s.objects.layers import Layer, Merged, merge
from m2s.platforms import catalogue
from m2s.platforms.bare import Bare
from m2s.platforms.platform import Platform
from m2s.platforms.problem import Problem
from m2s.settings.groups import Describing


def described(platform: Platform, bare: Bare, own: Sequence[Layer], settings: Describing) -> Merged:
    """Return a version's deployment: the layers, from the lowest.

    1. the platform's own server, only if there is no ``own`` layer;
    2. the platform team's ``defaults`` in m2s.yaml;
    3. ``own``: the base template, then the deploy.yaml, as far as there are these;
    4. tags on the version.

    Raises:
        Problem: what keeps it from being one deployment.
    """
    below = _defaults(platform, settings)
    if not own:
        below = [*platform.own_layers(bare, settings), *below]
    stack, merged = platform.complete([*below, *own])
    if tagged := platform.tag_layers(bare.version, merged.body):
        merged = merge([*stack, *tagged], platform.list_keys)
    _check(platform, merged)
    return merged


def over_defaults(platform: Platform, layer: Layer, settings: Describing) -> Merged:
    """Return a template's deployment: it overrides the platform team's ``defaults``.

    Raises:
        Problem: what keeps it from being served.
    """
    _, merged = platform.complete([*_defaults(platform, settings), layer])
    _check(platform, merged)
    return merged


def _defaults(platform: Platform, settings: Describing) -> list[Layer]:
    """Return the platform team's defaults; their spec is of the platform that --platform names."""
    given = settings.defaults
    if not given:
        return []
    body = given.body
    if platform is not catalogue.default(settings.platform):
        body = {part: value for part, value in body.items() if part != "spec"}
    return [Layer(given.origin, body, given.line)]


_PARTS = ("apiVersion", "kind", "metadata", "status")


def _check(platform: Platform, merged: Merged) -> None:
    """Refuse what the API server or the platform would: a folder has neither."""
    parts = (*_PARTS[:3], *platform.parts, *_PARTS[3:])
    for part in merged.body:
        if part not in parts and not part.startswith(ANCHORS):
            sources = merged.sources().items()
            where = next((f"{source}: " for path, source in sources if path[0] == part), "")
            raise Problem(
                f"{where}{part} is no field of a {platform.resource.kind}; {meant(part, parts)} "
                f"(what begins with {ANCHORS} may hold anchors)"
            )
    platform.check(merged)
