"""What is wrong with a Deployment, or with a default of every one, by its text alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from m2s.base.names import meant
from m2s.base.strictyaml import Document
from m2s.domain.resource import Resource
from m2s.objects.list_keys import EVERY
from m2s.platforms.common import documents
from m2s.platforms.common.pods import at, found
from m2s.platforms.platform import Fault

SERVICE = "service"
"""The field of a description that is about the Service: its metadata and its spec."""
_SPEC = (
    "minReadySeconds", "progressDeadlineSeconds", "replicas", "revisionHistoryLimit", "strategy",
    "template",
)  # fmt: skip
_MAPPINGS = (
    "spec", "spec.template", "spec.template.metadata", "spec.template.metadata.labels",
    "spec.template.spec", "spec.selector", SERVICE, "service.metadata", "service.spec",
)  # fmt: skip


def fault(document: Document, resource: Resource) -> Fault | None:
    """Return the path and the words of the first thing wrong; the API server judges the rest."""
    body = document.value
    if wrong := documents.fault(document, resource):
        return wrong
    for way in _MAPPINGS:
        value = at(body, way)
        if value is not None and not isinstance(value, dict):
            return _path(way), f"{way} is a {documents.called(value)}; it must be a mapping"
    way = "spec.template.spec.containers"
    containers = at(body, way)
    if not isinstance(containers, list) or not containers:
        return _path(way), f"{way} is missing or empty; it needs one container at least"
    for index, each in enumerate(containers):
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            return (*_path(way), index), f"{way}[{index}] must be a mapping with a name"
    return None


def _path(way: str) -> tuple[str, ...]:
    return tuple(way.split("."))


def default_faults(fragment: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what m2s refuses as a default; the API server judges the merged Deployment."""
    for key in fragment.get("spec", {}):
        if key not in _SPEC:
            yield ("spec", key), f"defaults.spec.{key} is no default; {meant(key, _SPEC)}"
    # A container of a name that a description does not have would be one more container.
    for path, name in found(fragment, "spec.template.spec.containers.*.name"):
        if name != EVERY:
            text = "a default is said of every container: name: '*'"
            yield path, f"defaults.spec.template.spec.containers[{path[4]}]: {text}"
