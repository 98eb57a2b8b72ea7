"""A Kubernetes object as decoded JSON, its digest, and the part of it that somebody wrote."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from m2s.base.labels import RECORD

Body = Mapping[str, Any]
"""A Kubernetes object as decoded JSON; read only by convention."""


def digest(value: Any) -> str:
    """Return ``sha256:…`` of a JSON value, independent of key order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def replaced(node: Any, values: Mapping[tuple[str | int, ...], Any]) -> Any:
    """Return a JSON value with other values in some places, by their paths of keys and indices."""
    if () in values:
        return values[()]
    below: dict[str | int, dict[tuple[str | int, ...], Any]] = {}
    for path, value in values.items():
        below.setdefault(path[0], {})[path[1:]] = value
    if not below:
        return node
    if isinstance(node, list):
        return [replaced(item, below.get(index, {})) for index, item in enumerate(node)]
    return {**node, **{step: replaced(node.get(step), inner) for step, inner in below.items()}}


def comparable(body: Body) -> dict[str, Any]:
    """Return the part of an object that a person or m2s writes.

    Labels and annotations, then all but metadata and status, as Flux compares
    (fluxcd/pkg ``ssa/manager_diff.go``). ``apiVersion`` and ``kind`` are fixed by the endpoint;
    m2s's own record of the past is no part of what is wanted.
    """
    metadata = body.get("metadata") or {}
    left_out = ("apiVersion", "kind", "metadata", "status")
    rest = {key: value for key, value in body.items() if key not in left_out}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    told = {name: value for name, value in annotations.items() if name not in RECORD}
    return {"metadata": {"labels": labels, "annotations": told}, **rest}
