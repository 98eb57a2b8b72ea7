"""Pure: the places of a SeldonDeployment where a model's URI stands: graph nodes and explainers.

The API server has not judged the object yet: whatever has the wrong type is passed over here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from m2s.objects.body import Body, replaced

BUILT_IN = ("SIMPLE_MODEL", "SIMPLE_ROUTER", "RANDOM_ABTEST", "AVERAGE_COMBINER")
"""Implementations inside the executor: no container (seldondeployment_types.go)."""

Path = tuple[str | int, ...]
"""Keys and indices from the object's root."""

_INITIALIZER = "-model-initializer"
"""Suffix of the init container that the operator adds, unless the description has its own
(seldon-core, operator/controllers/model_initializer_injector.go)."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A graph node or an explainer, which has no name; texts are "" where nothing is stated.

    ``path`` leads to it from the object's root. ``stated``: it has a ``modelUri``, be it blank.
    ``contained``: componentSpecs have a container of its name; ``image`` is what they name there.
    ``own_initializer``: the model is brought by something else than Seldon Core's own storage
    initializer, which alone reads rclone's variables.
    """

    path: Path
    name: str
    label: str
    uri: str
    stated: bool
    secret: str
    implementation: str
    contained: bool
    image: str
    own_initializer: bool

    @property
    def is_mlflow_server(self) -> bool:
        """Whether Seldon Core's prepackaged server loads an MLflow model here."""
        return self.implementation == "MLFLOW_SERVER"

    @property
    def is_explainer(self) -> bool:
        """Whether it is no node of a graph."""
        return self.path[-1] == "explainer"

    @property
    def is_blank(self) -> bool:
        """Whether it has a ``modelUri`` with nothing in it."""
        return self.stated and not self.uri.strip()

    @property
    def can_load(self) -> bool:
        """Whether there is something that may load a model: a server, or a container of its own."""
        if self.is_explainer or self.implementation in BUILT_IN:
            return False
        return is_prepackaged(self.implementation) or self.contained


def is_prepackaged(implementation: Any) -> bool:
    """Whether Seldon Core brings the container (operator, prepack.go: ``IsPrepack``)."""
    return implementation not in (None, "", "UNKNOWN_IMPLEMENTATION", *BUILT_IN)


def units(body: Body) -> Iterator[Unit]:
    """Yield every graph node, each before its children, and every explainer."""
    predictors = body["spec"].get("predictors")
    for index, predictor in enumerate(predictors if isinstance(predictors, list) else []):
        if not isinstance(predictor, Mapping):
            continue
        place: Path = ("spec", "predictors", index)
        for path, node in _walked(predictor.get("graph"), (*place, "graph")):
            yield _node_unit(node, predictor, path)
        if explainer := _mapping(predictor.get("explainer")):
            yield _unit(explainer, (*place, "explainer"), _explainer_label(predictor), [], [])


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


def with_uris(node: Any, uris: Mapping[Path, str]) -> Any:
    """Return an object with the model URI of some units replaced, by their paths."""
    return replaced(node, {(*path, "modelUri"): uri for path, uri in uris.items()})


def blanked(body: Any) -> Any:
    """Return a description in which a ``modelUri:`` with nothing behind it is a blank text."""
    if not isinstance(body, Mapping) or not isinstance(body.get("spec"), Mapping):
        return body
    empty = {unit.path: "" for unit in units(body) if unit.stated and not unit.uri.strip()}
    return with_uris(body, empty) if empty else body


def nodes(node: Any) -> Iterator[Mapping[str, Any]]:
    """Yield a graph's nodes, each before its children."""
    return (found for _, found in _walked(node, ()))


def _walked(node: Any, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    if not isinstance(node, Mapping):
        return
    yield path, node
    children = node.get("children")
    for index, child in enumerate(children if isinstance(children, list) else []):
        yield from _walked(child, (*path, "children", index))


def _node_unit(node: Mapping[str, Any], predictor: Mapping[str, Any], path: Path) -> Unit:
    name = _text(node, "name")
    pods = [_mapping(each.get("spec")) for each in _mappings(predictor.get("componentSpecs"))]
    inits = [_text(init, "name") for pod in pods for init in _mappings(pod.get("initContainers"))]
    own = [one for pod in pods for one in _mappings(pod.get("containers"))]
    own = [one for one in own if name and _text(one, "name") == name]
    brought = [init for init in inits if init == f"{name}{_INITIALIZER}"]
    return _unit(node, path, _node_label(node), own, brought)


def _unit(
    node: Mapping[str, Any],
    path: Path,
    label: str,
    containers: list[Mapping[str, Any]],
    initializers: list[str],
) -> Unit:
    return Unit(
        path=path,
        name=_text(node, "name"),
        label=label,
        uri=_text(node, "modelUri"),
        stated="modelUri" in node and isinstance(node["modelUri"], str | None),
        secret=_text(node, "envSecretRefName"),
        implementation=_text(node, "implementation"),
        contained=bool(containers),
        image=next((_text(one, "image") for one in containers), ""),
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
