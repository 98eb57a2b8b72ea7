"""Pure: the parts of a SeldonDeployment that load a model: graph nodes and explainers.

The API server has not judged the object yet: whatever has the wrong type is passed over here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from m2s.objects.body import Body

_INITIALIZER = "-model-initializer"
"""Suffix of the init container that the operator adds, unless the description has its own
(seldon-core, operator/controllers/model_initializer_injector.go)."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A graph node or an explainer; texts are "" where nothing is stated.

    ``image`` is the one that componentSpecs name for it. ``own_initializer``: the model is brought
    by something else than Seldon Core's own storage initializer, which alone reads rclone's
    variables.
    """

    label: str
    uri: str
    secret: str
    implementation: str
    image: str
    own_initializer: bool

    @property
    def is_mlflow_server(self) -> bool:
        """Whether Seldon Core's prepackaged server loads an MLflow model here."""
        return self.implementation == "MLFLOW_SERVER"


def units(body: Body) -> Iterator[Unit]:
    """Yield every graph node, each before its children, and every explainer."""
    for predictor in _mappings(body["spec"].get("predictors")):
        for node in nodes(predictor.get("graph")):
            yield _node_unit(node, predictor)
        if explainer := _mapping(predictor.get("explainer")):
            yield _unit(explainer, _explainer_label(predictor), "", [])


def first_uri(body: Body) -> str:
    """Return the model URI of the first predictor's root, "" where none is stated."""
    return next((unit.uri for unit in units(body)), "")


def service_accounts(body: Body) -> Iterator[tuple[str, str]]:
    """Yield each ServiceAccount that is named, and who runs as it."""
    for predictor in _mappings(body["spec"].get("predictors")):
        users = [(node, _node_label(node)) for node in nodes(predictor.get("graph"))]
        users.append((_mapping(predictor.get("explainer")), _explainer_label(predictor)))
        pods = [_mapping(each.get("spec")) for each in _mappings(predictor.get("componentSpecs"))]
        users += [(pod, f"a pod of predictor {_text(predictor, 'name')}") for pod in pods]
        for user, label in users:
            if account := _text(user, "serviceAccountName"):
                yield account, label


def rebuilt(spec: Body, uri_of: Callable[[Unit], str]) -> dict[str, Any]:
    """Return ``spec`` with the model URI of each unit that has one replaced by ``uri_of(unit)``."""

    def predictor_with(predictor: Any) -> Any:
        if not isinstance(predictor, Mapping):
            return predictor
        parts = dict(predictor)
        if graph := _mapping(predictor.get("graph")):
            parts["graph"] = node_with(graph, predictor)
        if explainer := _mapping(predictor.get("explainer")):
            unit = _unit(explainer, _explainer_label(predictor), "", [])
            parts["explainer"] = _with_uri(explainer, uri_of(unit))
        return parts

    def node_with(node: Any, predictor: Mapping[str, Any]) -> Any:
        if not isinstance(node, Mapping):
            return node
        parts = _with_uri(node, uri_of(_node_unit(node, predictor)))
        if isinstance(children := node.get("children"), list):
            parts["children"] = [node_with(child, predictor) for child in children]
        return parts

    return {**spec, "predictors": [predictor_with(each) for each in spec["predictors"]]}


def _with_uri(node: Mapping[str, Any], uri: str) -> dict[str, Any]:
    return {**node, "modelUri": uri} if node.get("modelUri") else dict(node)


def nodes(node: Any) -> Iterator[Mapping[str, Any]]:
    """Yield a graph's nodes, each before its children."""
    if found := _mapping(node):
        yield found
        for child in _mappings(found.get("children")):
            yield from nodes(child)


def _node_unit(node: Mapping[str, Any], predictor: Mapping[str, Any]) -> Unit:
    name = _text(node, "name")
    pods = [_mapping(each.get("spec")) for each in _mappings(predictor.get("componentSpecs"))]
    inits = [_text(init, "name") for pod in pods for init in _mappings(pod.get("initContainers"))]
    containers = [one for pod in pods for one in _mappings(pod.get("containers"))]
    images = [_text(one, "image") for one in containers if _text(one, "name") == name]
    own = [f"{name}{_INITIALIZER}"] if f"{name}{_INITIALIZER}" in inits else []
    return _unit(node, _node_label(node), next(iter(images), ""), own)


def _unit(node: Mapping[str, Any], label: str, image: str, initializers: list[str]) -> Unit:
    return Unit(
        label=label,
        uri=_text(node, "modelUri"),
        secret=_text(node, "envSecretRefName"),
        implementation=_text(node, "implementation"),
        image=image,
        own_initializer=bool(initializers or _text(node, "storageInitializerImage")),
    )


def _node_label(node: Mapping[str, Any]) -> str:
    return f"graph node {_text(node, 'name')}"


def _explainer_label(predictor: Mapping[str, Any]) -> str:
    return f"the explainer of predictor {_text(predictor, 'name')}"


def _text(node: Mapping[str, Any], name: str) -> str:
    value = node.get(name)
    return value if isinstance(value, str) else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
