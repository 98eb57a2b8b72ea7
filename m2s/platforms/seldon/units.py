"""Pure: the graph nodes and explainers of a SeldonDeployment, and the Pods that it has.

A model's URI stands in each node and explainer. The API server has not judged the object yet:
whatever has the wrong type is passed over here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from typing import Any

from m2s.objects.body import Body, replaced
from m2s.platforms.common.pods import Named, Path, PodSpec, found, mappings, named, text

BUILT_IN = ("SIMPLE_MODEL", "SIMPLE_ROUTER", "RANDOM_ABTEST", "AVERAGE_COMBINER")
"""Implementations inside the executor: no container (seldondeployment_types.go)."""

_INITIALIZER = "-model-initializer"
"""Suffix of the init container that the operator adds, unless the description has its own
(seldon-core, operator/controllers/model_initializer_injector.go)."""


_OF_UNITS = {
    "envSecretRefName": "secrets",
    "serviceAccountName": "serviceAccounts",
    "storageInitializerImage": "images",
}
_BESIDE = {
    "kind": "kinds",
    "metadata.annotations.?": "annotations",
    "spec.annotations.?": "annotations",
    "spec.predictors.*.annotations.?": "annotations",
    "spec.predictors.*.componentSpecs.*.metadata.annotations.?": "annotations",
    "spec.predictors.*.svcOrchSpec.env.*.valueFrom.secretKeyRef.name": "secrets",
    "spec.predictors.*.ssl.certSecretName": "secrets",
}


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


def units(body: Any) -> Iterator[Unit]:
    """Yield every graph node, each before its children, and every explainer."""
    for place, predictor in found(body, "spec.predictors.*"):
        pods = mappings(predictor, "componentSpecs.*.spec")
        for where, graph in found(predictor, "graph", place):
            for path, node in _walked(graph, where):
                yield _unit(node, path, _node_label(node), pods)
        for where, explainer in found(predictor, "explainer", place):
            if isinstance(explainer, Mapping) and explainer:
                yield _unit(explainer, where, _explainer_label(predictor), [])


def service_accounts(body: Body) -> Iterator[tuple[str, str]]:
    """Yield each ServiceAccount that is named, and who runs as it."""
    for predictor in mappings(body, "spec.predictors.*"):
        users = [(node, _node_label(node)) for node in nodes(predictor)]
        users += [(one, _explainer_label(predictor)) for one in mappings(predictor, "explainer")]
        pods = mappings(predictor, "componentSpecs.*.spec")
        users += [(pod, f"a pod of predictor {text(predictor, 'name')}") for pod in pods]
        for user, label in users:
            if account := text(user, "serviceAccountName"):
                yield account, label


def with_uris(node: Any, uris: Mapping[Path, str]) -> Any:
    """Return an object with the model URI of some units replaced, by their paths."""
    return replaced(node, {(*path, "modelUri"): uri for path, uri in uris.items()})


def blanked(body: Any) -> Any:
    """Return a description in which a ``modelUri:`` with nothing behind it is a blank text."""
    return with_uris(body, {unit.path: "" for unit in units(body) if unit.is_blank})


def nodes(predictor: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the nodes of a predictor's graph, each before its children."""
    return (node for _, node in _walked(predictor.get("graph"), ()))


def _walked(node: Any, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    if isinstance(node, Mapping):
        yield path, node
        for where, child in found(node, "children.*", path):
            yield from _walked(child, where)


def _unit(node: Mapping[str, Any], path: Path, label: str, pods: list[Mapping[str, Any]]) -> Unit:
    name = text(node, "name")
    containers = [one for pod in pods for one in mappings(pod, "containers.*")]
    own = [one for one in containers if name and text(one, "name") == name]
    inits = [text(init, "name") for pod in pods for init in mappings(pod, "initContainers.*")]
    return Unit(
        path=path,
        name=name,
        label=label,
        uri=text(node, "modelUri"),
        stated="modelUri" in node and isinstance(node["modelUri"], str | None),
        secret=text(node, "envSecretRefName"),
        implementation=text(node, "implementation"),
        contained=bool(own),
        image=next((text(one, "image") for one in own), ""),
        own_initializer=f"{name}{_INITIALIZER}" in inits
        or bool(text(node, "storageInitializerImage")),
    )


def _node_label(node: Mapping[str, Any]) -> str:
    return f"graph node {text(node, 'name')}"


def _explainer_label(predictor: Mapping[str, Any]) -> str:
    return f"the explainer of predictor {text(predictor, 'name')}"


def pod_specs(body: Body) -> Iterator[PodSpec | Named]:
    """Yield each Pod's spec, and what is named beside it; what has a wrong type is passed over."""
    yield from named(body, (), _BESIDE)
    for path, spec in found(body, "spec.predictors.*.componentSpecs.*.spec"):
        if isinstance(spec, dict):
            yield PodSpec(path, spec)
    for path, explainer in found(body, "spec.predictors.*.explainer"):
        if isinstance(explainer, dict):
            container = {"containerSpec": explainer.get("containerSpec")}
            yield PodSpec(path, container, singles=("containerSpec",))
    for unit in units(body):
        yield from named(reduce(getitem, unit.path, body), unit.path, _OF_UNITS)  # type: ignore[arg-type]
