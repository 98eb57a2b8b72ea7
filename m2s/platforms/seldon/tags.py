"""What a data scientist sets with tags on a model version, as the highest layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from m2s.domain.versions import ModelVersion
from m2s.objects.body import Body
from m2s.objects.layers import Layer
from m2s.platforms.common.tags import TagReader, count, one_of, percent, quantity, read
from m2s.platforms.problem import Problem
from m2s.platforms.seldon import containers
from m2s.platforms.seldon.units import BUILT_IN

_PROTOCOLS = ("seldon", "tensorflow", "kfserving", "v2")
"""Seldon Core 1.17's (operator/apis, ``ProtocolSeldon`` and so on)."""

_Fields = dict[str, Any]
_Writer = Callable[[Mapping[str, Any], Any], _Fields]
"""Returns what a tag's value says of a predictor."""


def layers(version: ModelVersion, below: Body) -> Iterator[Layer]:
    """Yield a layer for each of a version's ``m2s.io/`` tags.

    The tags are about the first predictor of ``below``, the one that gets the version's URI.

    Raises:
        Problem: a tag that m2s does not know, or whose value is not one.
    """
    for tag, value in read(version, {tag: reader for tag, (reader, _) in _TAGS.items()}):
        first = _first_predictor(tag, below)
        spec = _TAGS[tag][1](first, value)
        if "protocol" not in spec:
            spec = {"predictors": [{"name": first.get("name"), **spec}]}
        yield Layer(f"tag {tag}", {"spec": spec}, described=True)


def _first_predictor(tag: str, below: Body) -> Mapping[str, Any]:
    predictors = below["spec"]["predictors"]
    specs = predictors[0].get("componentSpecs", [])
    lists = {"spec.predictors": predictors, "spec.predictors[0].componentSpecs": specs}
    for path, items in lists.items():
        if not containers.told_apart(path.rpartition(".")[2], items):
            raise Problem(f"tag {tag}: {path}: their names do not tell the items apart")
    first: Mapping[str, Any] = predictors[0]
    return first


def _replicas(predictor: Mapping[str, Any], count: int) -> _Fields:
    """A componentSpec's own replicas win over the predictor's, so they are set as well."""
    name = _unit(predictor)
    specs = predictor.get("componentSpecs")
    own = isinstance(specs, list) and any("replicas" in spec for spec in specs)
    inner = [{"replicas": count, **spec} for spec in containers.at(predictor, name, {})]
    return {"replicas": count, **({"componentSpecs": inner} if own else {})}


def _resource(kind: str, resource: str) -> _Writer:
    def write(predictor: Mapping[str, Any], value: str) -> _Fields:
        fields = {"resources": {kind: {resource: value}}}
        return {"componentSpecs": containers.at(predictor, _unit(predictor), fields)}

    return write


def _unit(predictor: Mapping[str, Any]) -> str:
    graph = predictor["graph"]
    if graph.get("implementation") in BUILT_IN:
        raise Problem(f"graph node {graph.get('name')}: {graph['implementation']} has no container")
    return str(graph.get("name"))


_TAGS: Mapping[str, tuple[TagReader, _Writer]] = {
    "m2s.io/replicas": (count, _replicas),
    "m2s.io/requests.cpu": (quantity, _resource("requests", "cpu")),
    "m2s.io/requests.memory": (quantity, _resource("requests", "memory")),
    "m2s.io/limits.cpu": (quantity, _resource("limits", "cpu")),
    "m2s.io/limits.memory": (quantity, _resource("limits", "memory")),
    "m2s.io/protocol": (one_of(_PROTOCOLS), lambda _, protocol: {"protocol": protocol}),
    "m2s.io/traffic": (percent, lambda _, percent: {"traffic": percent}),
}
