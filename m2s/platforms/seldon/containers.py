"""Where the container of a graph node is, or where Seldon Core will put it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m2s.objects.body import Body
from m2s.objects.layers import Layer
from m2s.objects.list_keys import EVERY
from m2s.platforms.seldon.list_keys import told_apart
from m2s.platforms.seldon.units import is_prepackaged, nodes


def implied(body: Body) -> Layer | None:
    """Return the containers that the graph implies and the description leaves to the operator.

    None where there is none.
    """
    found = [
        {"name": predictor["name"], "componentSpecs": _place(predictor, missing)}
        for predictor in _predictors(body)
        if (missing := _missing(predictor))
    ]
    return Layer("the graph", {"spec": {"predictors": found}}) if found else None


def at(predictor: Mapping[str, Any], name: str, fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return componentSpecs that say ``fields`` of the container ``name`` of a predictor.

    A container that the description does not name goes where the operator puts one that the graph
    implies: into the first componentSpec.
    """
    container = {"name": name, **fields}
    if any(name in _names(spec) for spec in _specs(predictor)):
        return [{"spec": {"containers": [container]}}]
    return _place(predictor, [container])


def says_every(node: Any) -> bool:
    """Whether something is said of every container (``name: '*'``) anywhere in a fragment."""
    if isinstance(node, Mapping):
        lists = [node.get("containers")]
        items = [item for each in lists if isinstance(each, list) for item in each]
        every = any(isinstance(item, Mapping) and item.get("name") == EVERY for item in items)
        return every or any(says_every(inner) for inner in node.values())
    return isinstance(node, list) and any(says_every(item) for item in node)


def _predictors(body: Body) -> list[Mapping[str, Any]]:
    """Return those that a layer can point at without replacing anything."""
    predictors = body["spec"]["predictors"]
    if not told_apart("predictors", predictors):
        return []
    return [
        each for each in predictors if told_apart("componentSpecs", each.get("componentSpecs", []))
    ]


def _missing(predictor: Mapping[str, Any]) -> list[dict[str, Any]]:
    there = {name for spec in _specs(predictor) for name in _names(spec)}
    implied = (
        node.get("name")
        for node in nodes(predictor.get("graph"))
        if is_prepackaged(node.get("implementation"))
    )
    return [{"name": name} for name in implied if isinstance(name, str) and name not in there]


def _place(predictor: Mapping[str, Any], containers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    first: Any = next(iter(_specs(predictor)), {})
    # A componentSpec is told by its containers: one of those that are there leads to it.
    beside = [{"name": name} for name in _names(first)[:1]]
    return [{"spec": {"containers": [*beside, *containers]}}]


def _specs(predictor: Mapping[str, Any]) -> list[Any]:
    specs = predictor.get("componentSpecs")
    return specs if isinstance(specs, list) else []


def _names(spec: Any) -> list[str]:
    pod = spec.get("spec") if isinstance(spec, Mapping) else None
    containers = pod.get("containers") if isinstance(pod, Mapping) else None
    items = containers if isinstance(containers, list) else []
    return [str(item["name"]) for item in items if isinstance(item, Mapping) and "name" in item]
