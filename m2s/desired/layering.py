"""Which layers the deployment of one version is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from m2s.base.names import meant
from m2s.desired import deploy_file as file
from m2s.desired.manifest import ANCHORS
from m2s.domain.resource import KIND
from m2s.domain.versions import DeployFile, ModelVersion
from m2s.objects.layers import Layer, Merged, merge
from m2s.platforms.problem import Problem
from m2s.platforms.seldon import server, tags
from m2s.platforms.seldon.completing import check_protocol, with_implied
from m2s.settings.build import Settings


def described(
    version: ModelVersion,
    deploy_file: DeployFile | None,
    uri: str,
    settings: Settings,
    model_tags: Mapping[str, Mapping[str, str]],
    base: Sequence[Layer] = (),
) -> Merged:
    """Return a version's deployment: the layers, from the lowest.

    1. m2s's own server, only if there is neither ``base`` nor a deploy.yaml;
    2. the platform team's ``defaults`` in m2s.yaml;
    3. ``base``, a template's;
    4. ``deploy.yaml``;
    5. tags on the version.

    Args:
        version: with its tags.
        deploy_file: its deploy.yaml, if there is one and it counts.
        uri: where a model server reads the model.
        settings: the server's options and the defaults.
        model_tags: the tags of registered models, by model, for the server's image.
        base: partial SeldonDeployments from elsewhere.

    Raises:
        Problem: what keeps it from being one SeldonDeployment.
    """
    own = [*base, *([file.parse(deploy_file, alone=not base)] if deploy_file else [])]
    if not own:
        below = [*server.layers(version, model_tags, uri, settings), *_defaults(settings)]
    else:
        below = _defaults(settings)
    stack, merged = with_implied([*below, *own])
    if tagged := tags.layers(version, merged.body):
        merged = merge([*stack, *tagged])
    _check(merged)
    return merged


def over_defaults(layer: Layer, settings: Settings) -> Merged:
    """Return a template's deployment: it overrides the platform team's ``defaults``.

    Raises:
        Problem: what keeps it from being served.
    """
    _, merged = with_implied([*_defaults(settings), layer])
    _check(merged)
    return merged


def _defaults(settings: Settings) -> list[Layer]:
    given = settings.defaults
    return [Layer(given.origin, given.body, given.line)] if given else []


_PARTS = ("apiVersion", "kind", "metadata", "spec", "status")


def _check(merged: Merged) -> None:
    """Refuse what the API server or Seldon Core would: a folder has neither."""
    for part in merged.body:
        if part not in _PARTS and not part.startswith(ANCHORS):
            sources = merged.sources().items()
            where = next((f"{source}: " for path, source in sources if path[0] == part), "")
            raise Problem(
                f"{where}{part} is no field of a {KIND}; {meant(part, _PARTS)} (what begins with "
                f"{ANCHORS} may hold anchors)"
            )
    check_protocol(merged)
