"""A Kubernetes object as decoded JSON, its digests, and the part of it that somebody wrote."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from m2s.base.labels import CHECKSUM, RECORD

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


def has_marks(body: Body) -> bool:
    """Whether m2s's own annotations are on this object, and not on another one of its bundle."""
    return CHECKSUM in ((body.get("metadata") or {}).get("annotations") or {})


def marked(body: Body, marks: Mapping[str, str | None]) -> dict[str, Any]:
    """Return ``body`` with these annotations, and without those of None."""
    metadata = body.get("metadata") or {}
    told = {**(metadata.get("annotations") or {}), **marks}
    kept = {name: value for name, value in told.items() if value is not None}
    return {**body, "metadata": {**metadata, "annotations": kept}}


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


def sealed(body: Body) -> dict[str, Any]:
    """Return ``body`` with its own digest among the annotations, in place of one that is there.

    It tells "the description changed" from "the object drifted" without keeping the old text.
    """
    metadata = body["metadata"]
    annotations = {k: v for k, v in metadata["annotations"].items() if k != CHECKSUM}
    bare = {**body, "metadata": {**metadata, "annotations": annotations}}
    checksum = {CHECKSUM: digest(bare)}
    return {**body, "metadata": {**metadata, "annotations": {**annotations, **checksum}}}


def named(body: Body) -> tuple[str, str]:
    """Return the kind and the name of an object."""
    return body["kind"], body["metadata"]["name"]


def owned(body: Body, owner: Body) -> dict[str, Any]:
    """Return ``body`` as an object that ``owner`` has, so that it goes when that one is deleted."""
    kind, name = named(owner)
    who = {"apiVersion": owner["apiVersion"], "kind": kind, "name": name}
    references = [{**who, "uid": owner["metadata"]["uid"]}]
    return {**body, "metadata": {**body["metadata"], "ownerReferences": references}}


def owners(body: Body) -> list[Mapping[str, Any]]:
    """Return the references to what owns an object."""
    given = body["metadata"].get("ownerReferences")
    return [each for each in given if isinstance(each, dict)] if isinstance(given, list) else []


def controlled(body: Body) -> Mapping[str, Any] | None:
    """Return the reference to what controls an object, None where nothing does."""
    return next((each for each in owners(body) if each.get("controller")), None)
