"""Why a change is there, in words a data scientist understands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from m2s.diff import FieldChange, Name, Step, steps
from m2s.model import CHECKSUM, FIELD_MANAGER, LiveDeployment, Manifest


def of_create(manifest: Manifest) -> str:
    """``v3 is in Staging`` or ``v3 is champion``."""
    version, selector = manifest.models[0], manifest.selector
    link = "is in" if selector.kind == "stage" else "is"
    return f"v{version.version} {link} {selector.name}"


def of_update(manifest: Manifest, live: LiveDeployment, fields: Iterable[FieldChange]) -> str:
    """The version's move where there is one; else what moved the description or the object."""
    editors = _editors(live, fields)
    if live.owner is None:
        return "adopted" + (f" from {editors.split(' at ')[0]}" if editors else "")
    edited = f"edited by {editors}" if editors else ""
    moved = _version_move(manifest, live)
    if moved:
        return f"{moved}; also {edited}" if edited else moved
    if live.annotations.get(CHECKSUM) != manifest.body["metadata"]["annotations"][CHECKSUM]:
        return f"description changed; also {edited}" if edited else "description changed"
    return f"drifted: {edited or 'edited outside m2s'}"


def _version_move(manifest: Manifest, live: LiveDeployment) -> str:
    version = manifest.models[0]
    if live.model != version.model:
        return f"serves {version} now, instead of {live.model or 'an unknown model'}"
    old, new = live.version or "?", str(version.version)
    if old == new:
        return ""
    verb = "rolled back" if old.isdecimal() and int(old) > version.version else "promoted"
    return f"{verb} v{old} → v{new}"


def _editors(live: LiveDeployment, fields: Iterable[FieldChange]) -> str:
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
    return f"{names} at {_minute(last)}" if last else names


def _minute(time: str) -> str:
    """``2026-11-21T12:03:59Z`` as ``2026-11-21 12:03 UTC``; managedFields' times are UTC."""
    return f"{time[:10]} {time[11:16]} UTC"


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
