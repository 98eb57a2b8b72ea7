"""Which layers the deployment of one version is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from m2s.desired import containers, server, tags
from m2s.desired import deploy_file as file
from m2s.desired.problem import Problem
from m2s.domain.versions import DeployFile, ModelVersion
from m2s.objects.layers import Layer, Merged, merge
from m2s.settings.build import Settings
from m2s.units import nodes


def described(
    version: ModelVersion,
    deploy_file: DeployFile | None,
    uri: str,
    settings: Settings,
    model_tags: Mapping[str, Mapping[str, str]],
    base: Sequence[Layer] = (),
) -> Merged:
    """Return a version's deployment: the layers, from the lowest.

    1. m2s's own server, only where neither ``base`` nor a deploy.yaml is there;
    2. the platform's ``defaults`` in m2s.yaml;
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
    own = [*base, *([file.parse(deploy_file)] if deploy_file else [])]
    if not own:
        image = server.image_of(version, model_tags, settings)
        below = [server.layer(image, uri, settings), *_defaults(settings)]
    else:
        below = _defaults(settings)
    stack, merged = _with_implied([*below, *own])
    if tagged := tags.layers(version, merged.body):
        merged = merge([*stack, *tagged])
    _check_protocol(merged)
    return merged


def over_defaults(layer: Layer, settings: Settings) -> Merged:
    """Return a template's deployment: the platform's ``defaults``, and the template over them.

    Raises:
        Problem: what keeps it from being served.
    """
    _, merged = _with_implied([*_defaults(settings), layer])
    _check_protocol(merged)
    return merged


def _defaults(settings: Settings) -> list[Layer]:
    given = settings.defaults
    return [Layer(given.origin, given.body, given.line)] if given else []


def _with_implied(stack: list[Layer]) -> tuple[list[Layer], Merged]:
    """Name the containers that the graph implies, where something is said of every container."""
    merged = merge(stack)
    _check_predictors(merged)
    if not any(not layer.plain and containers.says_every(layer.body) for layer in stack):
        return stack, merged
    implied = containers.implied(merged.body)
    named = [*stack, implied] if implied else stack
    return named, merge(named) if implied else merged


def _check_predictors(merged: Merged) -> None:
    # Each layer may be sound and yet leave nothing: what is said of every predictor is of none.
    predictors = merged.body["spec"].get("predictors")
    if not predictors:
        raise Problem("spec.predictors: no layer has a predictor with a name of its own")
    for index, predictor in enumerate(predictors):
        if not isinstance(predictor, dict) or not isinstance(predictor.get("graph"), dict):
            raise Problem(f"spec.predictors[{index}].graph: no layer has it, or it is no mapping")


def _check_protocol(merged: Merged) -> None:
    # As the operator's webhook does (seldondeployment_webhook.go, checkPredictiveUnits): a cluster
    # may run without it, and a folder has none.
    spec = merged.body["spec"]
    if spec.get("protocol") != "tensorflow":
        return
    for predictor in spec["predictors"]:
        for node in nodes(predictor.get("graph")):
            if node.get("implementation") == "MLFLOW_SERVER":
                raise Problem(
                    f"graph node {node.get('name')}: MLFLOW_SERVER does not speak the tensorflow "
                    "protocol; choose seldon or v2"
                )
