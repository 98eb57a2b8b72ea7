"""Whether an object of the cluster can be read and compared, or holds its own row (law 12)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from m2s.domain.deployments import LiveDeployment
from m2s.domain.resource import Resource
from m2s.domain.versions import Key
from m2s.objects.body import Body

DEEPEST = 100
"""Levels of nesting up to which an object is compared; a deployment has some twenty."""


def live(body: Body, resource: Resource, *, stored: bool = True) -> LiveDeployment:
    """Return an object that :mod:`m2s.targets.kubernetes.decoder` let through.

    One that cannot be read or compared has a ``fault``, and only so much of its body as can be.
    ``resource`` is its kind, which an object in a list of a built-in kind does not say;
    ``stored``: it is one of the cluster's, not the result of a dry run.
    """
    metadata = body["metadata"]
    key = Key(metadata["namespace"], metadata["name"], resource.kind)
    body = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
    wanted = {**_METADATA, **(_STORED if stored else {})}
    wrong = [name for name, fits in wanted.items() if not fits(metadata.get(name))]
    fault = f"its metadata.{wrong[0]} is not what Kubernetes says it is" if wrong else ""
    parts = [name for name in ("spec", "status") if not isinstance(body.get(name, {}), dict)]
    if parts and not fault:
        fault = f"its {parts[0]} is no mapping"
    if not fault and _is_deep(body):
        fault = f"it is nested more than {DEEPEST} levels deep"
    if not fault:
        return LiveDeployment(key, body)
    kept = {
        name: value
        for name, value in metadata.items()
        if name in ("name", "namespace") or (name in wanted and wanted[name](value))
    }
    return LiveDeployment(key, {"metadata": kept, "spec": {}}, fault)


def _is_texts(value: Any) -> bool:
    return value is None or (
        isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
    )


def _is_managed(value: Any) -> bool:
    return value is None or (
        isinstance(value, list)
        and all(isinstance(e, dict) and isinstance(e.get("fieldsV1", {}), dict) for e in value)
        and not _is_deep(value)
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


_Fits = Callable[[Any], bool]
_METADATA: dict[str, _Fits] = {
    "labels": _is_texts,
    "annotations": _is_texts,
    "generation": lambda value: value is None or type(value) is int,
    "managedFields": _is_managed,
    "finalizers": lambda value: value is None or isinstance(value, list),
}
_STORED: dict[str, _Fits] = {"uid": _is_text, "resourceVersion": _is_text}


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
