"""What tells the items of a list in a SeldonDeployment apart, so that two layers' lists can merge.

Kubernetes' own keys are the Go tags ``patchMergeKey`` of k8s.io/api. A SeldonDeployment's
predictors, graph nodes and parameters have names; its componentSpecs have their containers' names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EVERY = "*"
"""The name of an item that is said of all items of its list."""

KEYS = {
    "predictors": "name", "children": "name", "parameters": "name", "containers": "name",
    "initContainers": "name", "env": "name", "volumes": "name", "imagePullSecrets": "name",
    "volumeMounts": "mountPath", "ports": "containerPort", "hostAliases": "ip",
}  # fmt: skip

NAMELESS: frozenset[Any] = frozenset({""})
"""What a componentSpec without containers is told by."""


def told_apart(field: str, value: Any) -> bool:
    """Whether the items of a list merge with those of another layer's list, by name."""
    return identities(field, value) is not None


def identities(field: str, value: Any) -> list[frozenset[Any]] | None:
    """Return by what each item of a list is told from the others; None where it cannot be."""
    key = KEYS.get(field)
    if not isinstance(value, list) or (key is None and field != "componentSpecs"):
        return None
    if not all(isinstance(item, dict) for item in value):
        return None
    names = [[item.get(key)] if key else _containers(item) for item in value]
    flat = [name for each in names for name in each]
    if not all(isinstance(name, str | int) for name in flat) or len(set(flat)) < len(flat):
        return None
    if len(names) > 1 and [] in names:
        return None
    return [frozenset(each) or NAMELESS for each in names]


def _containers(spec: Mapping[str, Any]) -> list[Any]:
    pod = spec.get("spec")
    containers = pod.get("containers") if isinstance(pod, Mapping) else None
    items = containers if isinstance(containers, list) else []
    return [item.get("name") for item in items if isinstance(item, Mapping)]
