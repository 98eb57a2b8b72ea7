"""Who owns the fields of an object, by its managedFields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from m2s.base.labels import FIELD_MANAGER
from m2s.base.wording import minute
from m2s.domain.deployments import LiveDeployment
from m2s.objects.diff import FieldChange, Name, Step, steps


def editors_of(live: LiveDeployment, fields: Iterable[FieldChange]) -> str:
    """Name the managers, m2s apart, that wrote what would change, and when the last one did."""
    paths = [field.path for field in fields]
    found: dict[str, str] = {}
    for entry in live.managed_fields:
        manager, owned = str(entry.get("manager", "unknown")), entry.get("fieldsV1") or {}
        if manager != FIELD_MANAGER and any(_owns(owned, path) for path in paths):
            found[manager] = max(found.get(manager, ""), str(entry.get("time", "")))
    if not found:
        return ""
    names = " and ".join(sorted(found))
    last = max(found.values())
    return f"{names} at {minute(last)}" if last else names


def _owns(owned: Mapping[str, Any], path: tuple[Step, ...]) -> bool:
    """Whether a FieldsV1 set covers ``path`` or something on the way to it.

    The format is in k8s.io/apimachinery ``FieldsV1``: ``f:<name>`` for a member, ``k:<json>`` or
    ``i:<n>`` for a list item, ``{}`` for a field that is owned with all that is in it.
    """
    node: Any = owned
    for step in path:
        if not isinstance(step, Name | int) and f"f:{step}" in node:
            node = node[f"f:{step}"]
            continue
        return bool(node is not owned) and not node
    return True


def owned_by(live: LiveDeployment, manager: str, pointer: str) -> bool:
    """Whether ``manager`` owns the field that a JSON pointer names, alone or with others."""
    path = tuple(steps(pointer))
    sets = (e.get("fieldsV1") or {} for e in live.managed_fields if e.get("manager") == manager)
    return any(_owns(owned, path) for owned in sets)
