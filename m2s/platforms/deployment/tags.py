"""What a data scientist sets with tags on a model version, as the highest layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from m2s.domain.versions import ModelVersion
from m2s.objects.body import Body
from m2s.objects.layers import Layer
from m2s.platforms.common.tags import TagReader, count, image, quantity, read
from m2s.platforms.deployment.containers import first, saying

_Writer = Callable[[str, Any], dict[str, Any]]
"""Returns what a tag's value says, of the container of this name or of the whole."""


def layers(version: ModelVersion, below: Body) -> Iterator[Layer]:
    """Yield a layer for each of a version's ``m2s.io/`` tags, about the server's container.

    Raises:
        Problem: a tag that m2s does not know, or whose value is not one.
    """
    for tag, value in read(version, {tag: reader for tag, (reader, _) in _TAGS.items()}):
        name = str(first(below)["name"])
        yield Layer(f"tag {tag}", _TAGS[tag][1](name, value), described=True)


def _resource(kind: str, resource: str) -> _Writer:
    return lambda name, value: saying(name, resources={kind: {resource: value}})


_TAGS: Mapping[str, tuple[TagReader, _Writer]] = {
    "m2s.io/replicas": (count, lambda _, number: {"spec": {"replicas": number}}),
    "m2s.io/image": (image, lambda name, reference: saying(name, image=reference)),
    "m2s.io/requests.cpu": (quantity, _resource("requests", "cpu")),
    "m2s.io/requests.memory": (quantity, _resource("requests", "memory")),
    "m2s.io/limits.cpu": (quantity, _resource("limits", "cpu")),
    "m2s.io/limits.memory": (quantity, _resource("limits", "memory")),
}
