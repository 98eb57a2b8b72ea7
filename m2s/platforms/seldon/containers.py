"""Where the container of a graph node is, or where Seldon Core will put it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m2s.objects import list_keys
from m2s.objects.body import Body
from m2s.objects.layers import Layer, Merged, merge
from m2s.platforms.common.pods import found, mappings
from m2s.platforms.problem import Problem
from m2s.platforms.seldon.units import is_prepackaged, nodes

KEYS: Mapping[str, list_keys.ListKey] = {
    **list_keys.KEYS,
    "predictors": "name",
    "children": "name",
    "parameters": "name",
    "componentSpecs": lambda spec: [one.get("name") for one in mappings(spec, "spec.containers.*")],
}
"""Identities of list items: predictors, graph nodes and parameters have names; componentSpecs have
their containers'."""


def told_apart(field: str, value: Any) -> bool:
    """Whether the items of a list merge with those of another layer's list, by name."""
    return list_keys.told_apart(field, value, KEYS)


def with_implied(stack: list[Layer]) -> tuple[list[Layer], Merged]:
    """Name the containers that the graph implies, where something is said of every container.

    Raises:
        Problem: the layers leave no predictor, or one without a graph.
    """
    merged = merge(stack, KEYS)
    _check_predictors(merged)
    every = any(not layer.plain and _says_every(layer.body) for layer in stack)
    implied = _implied(merged.body) if every else None
    named = [*stack, implied] if implied else stack
    return named, merge(named, KEYS) if implied else merged


def _check_predictors(merged: Merged) -> None:
    # Each layer may be sound and yet leave nothing: what is said of every predictor is of none.
    predictors = merged.body["spec"].get("predictors")
    if not predictors:
        raise Problem("spec.predictors: no layer has a predictor with a name of its own")
    for index, predictor in enumerate(predictors):
        if not isinstance(predictor, dict) or not isinstance(predictor.get("graph"), dict):
            raise Problem(f"spec.predictors[{index}].graph: no layer has it, or it is no mapping")


def _says_every(node: Any) -> bool:
    """Whether something is said of every container (``name: '*'``) anywhere in a fragment."""
    if isinstance(node, Mapping):
        names = [name for _, name in found(node, "containers.*.name")]
        return list_keys.EVERY in names or any(map(_says_every, node.values()))
    return isinstance(node, list) and any(map(_says_every, node))


def _implied(body: Body) -> Layer | None:
    """Return the containers that the graph implies and the description leaves to the operator."""
    predictors = [
        {"name": predictor["name"], "componentSpecs": _place(predictor, missing)}
        for predictor in _reachable(body)
        if (missing := _missing(predictor))
    ]
    return Layer("the graph", {"spec": {"predictors": predictors}}) if predictors else None


def _reachable(body: Body) -> list[Mapping[str, Any]]:
    """Return the predictors that a layer can point at without replacing anything."""
    predictors = body["spec"]["predictors"]
    if not told_apart("predictors", predictors):
        return []
    return [
        each for each in predictors if told_apart("componentSpecs", each.get("componentSpecs", []))
    ]


def _missing(predictor: Mapping[str, Any]) -> list[dict[str, Any]]:
    there = {name for _, name in _names(predictor)}
    implied = (
        node.get("name") for node in nodes(predictor) if is_prepackaged(node.get("implementation"))
    )
    return [{"name": name} for name in implied if isinstance(name, str) and name not in there]


def at(predictor: Mapping[str, Any], name: str, fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return componentSpecs that say ``fields`` of the container ``name`` of a predictor.

    A container that the description does not name goes where the operator puts one that the graph
    implies: into the first componentSpec.
    """
    container = {"name": name, **fields}
    if name in [there for _, there in _names(predictor)]:
        return [{"spec": {"containers": [container]}}]
    return _place(predictor, [container])


def _place(predictor: Mapping[str, Any], containers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # A componentSpec is told by its containers: one of those that are there leads to it.
    first = [{"name": name} for index, name in _names(predictor) if index == 0]
    return [{"spec": {"containers": [*first[:1], *containers]}}]


def _names(predictor: Mapping[str, Any]) -> list[tuple[Any, str]]:
    """Return every container's name, and the index of its componentSpec."""
    names = found(predictor, "componentSpecs.*.spec.containers.*.name")
    return [(path[1], str(name)) for path, name in names]
