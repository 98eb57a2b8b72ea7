"""What a Deployment that the Seldon operator made shows of the spec it was made from.

Read in Seldon Core 1.17's ``operator/controllers``: a prepackaged server's model URI is the first
argument of an init container (``model_initializer_injector.go``), the executor gets its predictor
as base64 JSON in ``ENGINE_PREDICTOR`` (``seldondeployment_engine.go``), and each graph container
knows its predictor's name (``seldondeployment_controller.go``).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from m2s.objects.body import Body

_ENGINE = "ENGINE_PREDICTOR"
_PREDICTOR_ID = "PREDICTOR_ID"
_INITIALIZER = "-model-initializer"


def texts(deployment: Body) -> Iterator[str]:
    """Yield every image, argument and environment value of the pod template."""
    for container in _containers(deployment):
        yield str(container.get("image"))
        yield from map(str, [*(container.get("command") or []), *(container.get("args") or [])])
    for name, value in _env(deployment):
        yield value
        if name == _ENGINE:
            yield from strings(_decoded(value))


def served_uris(deployment: Body) -> Iterator[str]:
    """Yield the model URIs that the pods load, or that their executor routes to."""
    for container in _containers(deployment):
        arguments = container.get("args") or [""]
        if str(container.get("name")).endswith(_INITIALIZER) and "://" in arguments[0]:
            yield str(arguments[0])
    for name, value in _env(deployment):
        if name == _ENGINE:
            predictor = _decoded(value)
            graph = predictor.get("graph") if isinstance(predictor, dict) else None
            yield from model_uris(graph if isinstance(graph, dict) else {})


def predictor_names(deployment: Body) -> set[str]:
    """Return the predictors that the operator marked the containers with."""
    return {value for name, value in _env(deployment) if name == _PREDICTOR_ID}


def controllers(deployment: Body) -> set[str]:
    """Return the uid of the object that controls the Deployment, if one does."""
    references = deployment["metadata"].get("ownerReferences") or []
    return {str(reference.get("uid")) for reference in references if reference.get("controller")}


def model_uris(node: Body) -> Iterator[str]:
    """Yield the model URIs of a graph node and of its children."""
    if uri := node.get("modelUri"):
        yield str(uri)
    for child in node.get("children") or []:
        yield from model_uris(child)


def images(predictor: Body) -> Iterator[str]:
    """Yield the images that a predictor's componentSpecs name."""
    for component in predictor.get("componentSpecs") or []:
        for container in (component.get("spec") or {}).get("containers") or []:
            if image := container.get("image"):
                yield str(image)


def strings(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def mentions(uri: str, found: set[str]) -> bool:
    """Whether a text is this URI or has it whole: ``s3://m/1`` is not in ``s3://m/10``."""
    mounted = re.sub(r"^pvc://[^/]*", "/mnt/pvc", uri)  # where the operator mounts a claim
    if uri in found or (mounted != uri and mounted in found):
        return True
    whole = re.compile(rf"(?<![\w./-]){re.escape(uri)}(?![\w./-])")
    return any(whole.search(text) for text in found)


def _containers(deployment: Body) -> list[Body]:
    spec = deployment["spec"]["template"].get("spec") or {}
    return [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]


def _env(deployment: Body) -> Iterator[tuple[str, str]]:
    for container in _containers(deployment):
        for variable in container.get("env") or []:
            yield str(variable.get("name")), str(variable.get("value") or "")


def _decoded(text: str) -> Any:
    try:
        return json.loads(base64.b64decode(text))
    except ValueError:
        return None
