"""Identities of list items in an object, so that the lists of two layers can merge.

These keys are Kubernetes' own, the Go tags ``patchMergeKey`` of k8s.io/api; a serving platform adds
those of its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

EVERY = "*"
"""The name of an item that applies to all items of its list."""

ListKey = str | Callable[[Mapping[str, Any]], list[Any]]
"""The field that names an item, or what returns the names of one that has no such field."""

KEYS: Mapping[str, ListKey] = {
    "containers": "name", "initContainers": "name", "env": "name", "volumes": "name",
    "imagePullSecrets": "name", "volumeMounts": "mountPath", "ports": "containerPort",
    "hostAliases": "ip",
}  # fmt: skip

NAMELESS: frozenset[Any] = frozenset({""})
"""The identity of an item without any name."""


def told_apart(field: str, value: Any, keys: Mapping[str, ListKey]) -> bool:
    """Whether the items of a list merge with those of another layer's list, by name."""
    return identities(field, value, keys) is not None


def identities(field: str, value: Any, keys: Mapping[str, ListKey]) -> list[frozenset[Any]] | None:
    """Return the identity of each item of a list; None if the items have none."""
    key = keys.get(field)
    if not isinstance(value, list) or key is None:
        return None
    if not all(isinstance(item, dict) for item in value):
        return None
    names = [[item.get(key)] if isinstance(key, str) else key(item) for item in value]
    flat = [name for each in names for name in each]
    if not all(isinstance(name, str | int) for name in flat) or len(set(flat)) < len(flat):
        return None
    if len(names) > 1 and [] in names:
        return None
    return [frozenset(each) or NAMELESS for each in names]
