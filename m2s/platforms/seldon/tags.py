"""What a data scientist sets with tags on a model version, as the highest layers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from m2s.base.labels import PAUSED
from m2s.base.names import meant
from m2s.domain.versions import ModelVersion
from m2s.objects.body import Body
from m2s.objects.layers import Layer
from m2s.platforms.problem import Problem
from m2s.platforms.seldon import containers
from m2s.platforms.seldon.list_keys import told_apart
from m2s.platforms.seldon.units import BUILT_IN

PREFIX = "m2s.io/"
PROTOCOLS = ("seldon", "tensorflow", "kfserving", "v2")
"""Seldon Core 1.17's (operator/apis, ``ProtocolSeldon`` and so on)."""

_QUANTITY = re.compile(r"(\d+(\.\d*)?|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][-+]?\d+)?")
"""k8s.io/apimachinery/pkg/api/resource: ``<quantity>``, here without a sign."""

_Fields = dict[str, Any]
_Tag = tuple[Callable[[str], Any], Callable[[Mapping[str, Any], Any], _Fields]]


def layers(version: ModelVersion, below: Body) -> tuple[Layer, ...]:
    """Return a layer for each of a version's ``m2s.io/`` tags.

    Args:
        version: with its tags; the registered model's are not its.
        below: what all lower layers come to. The tags are about its first predictor, the one that
            gets the version's URI.

    Raises:
        Problem: a tag that m2s does not know, or whose value is not one.
    """
    ours = (tag for tag in version.tags if tag.startswith(PREFIX) and tag != PAUSED)
    found = {tag: version.tags[tag] for tag in ours}
    return tuple(_layer(tag, found[tag], below) for tag in sorted(found))


def _layer(tag: str, value: str, below: Body) -> Layer:
    if tag not in _TAGS:
        raise Problem(f"tag {tag}: no such tag; {meant(tag, _TAGS)}")
    read, write = _TAGS[tag]
    try:
        wanted = read(value.strip())
    except ValueError as error:
        raise Problem(f"tag {tag}: {error}, not {value!r}") from error
    first = _first_predictor(tag, below)
    spec = write(first, wanted)
    if "protocol" in spec:
        return Layer(f"tag {tag}", {"spec": spec}, described=True)
    said = {"spec": {"predictors": [{"name": first.get("name"), **spec}]}}
    return Layer(f"tag {tag}", said, described=True)


def _first_predictor(tag: str, below: Body) -> Mapping[str, Any]:
    predictors = below["spec"]["predictors"]
    specs = predictors[0].get("componentSpecs", [])
    lists = {"spec.predictors": predictors, "spec.predictors[0].componentSpecs": specs}
    for path, items in lists.items():
        if not told_apart(path.rpartition(".")[2], items):
            raise Problem(f"tag {tag}: {path}: their names do not tell the items apart")
    first: Mapping[str, Any] = predictors[0]
    return first


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,4}", text, re.ASCII):
        raise ValueError("wants a number of replicas")
    return int(text)


def _percent(text: str) -> int:
    if not re.fullmatch(r"\d{1,3}", text, re.ASCII) or int(text) > 100:
        raise ValueError("wants a percentage, a whole number from 0 to 100")
    return int(text)


def _quantity(text: str) -> str:
    if not _QUANTITY.fullmatch(text):
        raise ValueError("wants a quantity such as 500m, 2 or 1.5Gi")
    return text


def _protocol(text: str) -> str:
    if text not in PROTOCOLS:
        raise ValueError(f"wants one of {', '.join(PROTOCOLS)}")
    return text


def _replicas(predictor: Mapping[str, Any], count: int) -> _Fields:
    """A componentSpec's own replicas win over the predictor's, so they are set as well."""
    name = _unit(predictor)
    specs = predictor.get("componentSpecs")
    own = isinstance(specs, list) and any("replicas" in spec for spec in specs)
    inner = [{"replicas": count, **spec} for spec in containers.at(predictor, name, {})]
    return {"replicas": count, **({"componentSpecs": inner} if own else {})}


def _resource(kind: str, resource: str) -> Callable[[Mapping[str, Any], Any], _Fields]:
    def write(predictor: Mapping[str, Any], value: str) -> _Fields:
        fields = {"resources": {kind: {resource: value}}}
        return {"componentSpecs": containers.at(predictor, _unit(predictor), fields)}

    return write


def _unit(predictor: Mapping[str, Any]) -> str:
    graph = predictor["graph"]
    if graph.get("implementation") in BUILT_IN:
        raise Problem(f"graph node {graph.get('name')}: {graph['implementation']} has no container")
    return str(graph.get("name"))


_TAGS: Mapping[str, _Tag] = {
    "m2s.io/replicas": (_count, _replicas),
    "m2s.io/requests.cpu": (_quantity, _resource("requests", "cpu")),
    "m2s.io/requests.memory": (_quantity, _resource("requests", "memory")),
    "m2s.io/limits.cpu": (_quantity, _resource("limits", "cpu")),
    "m2s.io/limits.memory": (_quantity, _resource("limits", "memory")),
    "m2s.io/protocol": (_protocol, lambda _, protocol: {"protocol": protocol}),
    "m2s.io/traffic": (_percent, lambda _, percent: {"traffic": percent}),
}
