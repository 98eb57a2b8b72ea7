"""Identities of list items in a SeldonDeployment.

Its predictors, graph nodes and parameters have names; its componentSpecs have their containers'.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m2s.objects import list_keys


def _containers(spec: Mapping[str, Any]) -> list[Any]:
    pod = spec.get("spec")
    containers = pod.get("containers") if isinstance(pod, Mapping) else None
    items = containers if isinstance(containers, list) else []
    return [item.get("name") for item in items if isinstance(item, Mapping)]


KEYS: Mapping[str, list_keys.ListKey] = {
    **list_keys.KEYS,
    "predictors": "name",
    "children": "name",
    "parameters": "name",
    "componentSpecs": _containers,
}


def told_apart(field: str, value: Any) -> bool:
    """Whether the items of a list merge with those of another layer's list, by name."""
    return list_keys.told_apart(field, value, KEYS)
