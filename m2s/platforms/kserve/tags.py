"""What a data scientist sets with tags on a model version, as the highest layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from m2s.domain.versions import ModelVersion
from m2s.objects.body import Body
from m2s.objects.layers import Layer
from m2s.platforms.common.tags import TagReader, count, image, one_of, quantity, read
from m2s.platforms.common.wrapping import VERSIONS_OWN
from m2s.platforms.kserve.units import Component, components, container
from m2s.platforms.problem import Problem

_PROTOCOLS = ("v1", "v2", "grpc-v1", "grpc-v2")
"""KServe's (pkg/constants, ``ProtocolV1`` and so on)."""

_Fields = dict[str, Any]


def layers(version: ModelVersion, below: Body) -> Iterator[Layer]:
    """Yield a layer for each of a version's ``m2s.io/`` tags, about the stable predictor.

    Raises:
        Problem: a tag that m2s does not know, or whose value is not one.
    """
    predictor = next(component for component in components(below) if component.is_main)
    for tag, value in read(version, {tag: reader for tag, (reader, _) in _TAGS.items()}):
        fields = _TAGS[tag][1](tag, predictor, value)
        yield Layer(f"tag {tag}", {"spec": {"predictor": fields}}, described=True)


def _replicas(_: str, predictor: Component, wanted: int) -> _Fields:
    most = predictor.spec.get("maxReplicas")
    short = isinstance(most, int) and 0 < most < wanted
    return {"minReplicas": wanted, **({"maxReplicas": wanted} if short else {})}


def _resource(kind: str, resource: str) -> Callable[[str, Component, Any], _Fields]:
    def write(tag: str, predictor: Component, value: str) -> _Fields:
        return _in_container(tag, predictor, {"resources": {kind: {resource: value}}})

    return write


def _in_container(tag: str, predictor: Component, fields: Mapping[str, Any]) -> _Fields:
    where = container(predictor)
    if not where:
        raise Problem(f"tag {tag}: none of spec.predictor.containers is named kserve-container")
    if len(where) == 1:
        return {str(where[0]): dict(fields)}
    name = predictor.spec["containers"][where[1]].get("name")
    return {"containers": [{"name": name, **fields}]}


def _protocol(tag: str, predictor: Component, value: str) -> _Fields:
    names = predictor.servers()
    if not names:
        raise Problem(f"tag {tag}: a container of its own speaks what its image does")
    return {names[0]: {"protocolVersion": value}}


def _image(tag: str, predictor: Component, value: str) -> _Fields:
    return _in_container(tag, predictor, {"image": value})


_TAGS: Mapping[str, tuple[TagReader, Callable[[str, Component, Any], _Fields]]] = {
    "m2s.io/replicas": (count, _replicas),
    "m2s.io/requests.cpu": (quantity, _resource("requests", "cpu")),
    "m2s.io/requests.memory": (quantity, _resource("requests", "memory")),
    "m2s.io/limits.cpu": (quantity, _resource("limits", "cpu")),
    "m2s.io/limits.memory": (quantity, _resource("limits", "memory")),
    VERSIONS_OWN: (image, _image),
    "m2s.io/protocol": (one_of(_PROTOCOLS), _protocol),
}
