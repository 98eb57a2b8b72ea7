"""Is a document an object of a kind that is served? The first thing that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m2s.base.strictyaml import Document
from m2s.domain.resource import Resource
from m2s.platforms.platform import Fault


def fault(document: Document, resource: Resource) -> Fault | None:
    """Return what is wrong with kind, version or metadata; a platform goes on with the spec."""
    body = document.value
    if not isinstance(body, dict):
        return (), f"a {called(body)}; it must be one {resource.kind}"
    if body.get("kind") != resource.kind:
        return ("kind",), f"kind is {body.get('kind')!r}; it must be {resource.kind}"
    if not resource.is_of(body.get("apiVersion")):
        wants = resource.api_version
        return ("apiVersion",), f"apiVersion is {body.get('apiVersion')!r}; it must be {wants}"
    return _fault_in_metadata(body.get("metadata", {}))


def _fault_in_metadata(metadata: Any) -> Fault | None:
    if not isinstance(metadata, dict | None):
        return ("metadata",), f"metadata is a {called(metadata)}; it must be a mapping"
    for field, kind in (("name", str), ("labels", dict), ("annotations", dict)):
        value = (metadata or {}).get(field)
        if value is not None and not isinstance(value, kind):
            wants = "a text" if kind is str else "a mapping"
            return ("metadata", field), f"metadata.{field} is a {called(value)}; it must be {wants}"
    return _fault_in_texts(metadata or {})


def _fault_in_texts(metadata: Mapping[str, Any]) -> Fault | None:
    for field in ("labels", "annotations"):
        for key, value in (metadata.get(field) or {}).items():
            if not isinstance(value, str):
                text = f"metadata.{field}[{key}] is a {called(value)}; it must be a text: quote it"
                return ("metadata", field, key), text
    return None


def called(value: Any) -> str:
    """Return what a person calls a value of this type."""
    names = {list: "list", dict: "mapping", str: "text", bool: "boolean", int: "number"}
    return names.get(type(value), "number" if isinstance(value, float) else "null")
