"""Is a document a SeldonDeployment? The first thing that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m2s.base import strictyaml
from m2s.domain.resource import Resource
from m2s.platforms.platform import Fault


def fault(document: strictyaml.Document, resource: Resource) -> Fault | None:
    """Return the path and the words of the first thing wrong; the API server judges the rest.

    Its versions are one schema under three names (Seldon Core 1.17's CRD); always written as v1.
    """
    body = document.value
    if not isinstance(body, dict):
        return (), f"a {_kind(body)}; it must be one SeldonDeployment"
    if body.get("kind") != resource.kind:
        return ("kind",), f"kind is {body.get('kind')!r}; it must be {resource.kind}"
    if not resource.is_of(body.get("apiVersion")):
        wants = resource.api_version
        return ("apiVersion",), f"apiVersion is {body.get('apiVersion')!r}; it must be {wants}"
    return _fault_in_metadata(body) or _fault_in_spec(body)


def _fault_in_metadata(body: Mapping[str, Any]) -> Fault | None:
    metadata = body.get("metadata", {})
    if not isinstance(metadata, dict | None):
        return ("metadata",), f"metadata is a {_kind(metadata)}; it must be a mapping"
    for field, kind in (("name", str), ("labels", dict), ("annotations", dict)):
        value = (metadata or {}).get(field)
        if value is not None and not isinstance(value, kind):
            wants = "a text" if kind is str else "a mapping"
            return ("metadata", field), f"metadata.{field} is a {_kind(value)}; it must be {wants}"
    return _fault_in_texts(metadata or {})


def _fault_in_texts(metadata: Mapping[str, Any]) -> Fault | None:
    for field in ("labels", "annotations"):
        for key, value in (metadata.get(field) or {}).items():
            if not isinstance(value, str):
                text = f"metadata.{field}[{key}] is a {_kind(value)}; it must be a text: quote it"
                return ("metadata", field, key), text
    return None


def _fault_in_spec(body: Mapping[str, Any]) -> Fault | None:
    spec = body.get("spec")
    if not isinstance(spec, dict):
        return ("spec",), "spec is missing or no mapping; it must have predictors"
    predictors = spec.get("predictors")
    if not isinstance(predictors, list) or not predictors:
        return ("spec", "predictors"), "spec.predictors is missing or empty; it needs one at least"
    for index, predictor in enumerate(predictors):
        where = ("spec", "predictors", index)
        if not isinstance(predictor, dict):
            return where, f"spec.predictors[{index}] is a {_kind(predictor)}; it must be a mapping"
        if not isinstance(predictor.get("graph"), dict):
            path = f"spec.predictors[{index}].graph"
            return (*where, "graph"), f"{path} is missing or no mapping"
    return None


def _kind(value: Any) -> str:
    names = {list: "list", dict: "mapping", str: "text", bool: "boolean", int: "number"}
    return names.get(type(value), "number" if isinstance(value, float) else "null")
