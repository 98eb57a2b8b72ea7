"""A deployment that is stored as several objects: the primary one, and companions that it owns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m2s.base.labels import MANAGED_BY, OWNER
from m2s.domain.resource import Resource
from m2s.objects.body import Body


def companion(
    body: Body, resource: Resource, name: str, content: Mapping[str, Any], **metadata: Any
) -> dict[str, Any]:
    """Return a companion of ``body``, a deployment, by whose labels m2s finds it again.

    Args:
        body: the deployment, with m2s's labels.
        resource: the companion's kind.
        name: the companion's name.
        content: all but its kind and metadata.
        metadata: more of its metadata, such as annotations; ``labels`` go beside m2s's.
    """
    given = body["metadata"]
    marks = {k: v for k, v in (given.get("labels") or {}).items() if k in (MANAGED_BY, OWNER)}
    place = {"name": name, "namespace": given["namespace"]}
    labels = {**(metadata.pop("labels", None) or {}), **marks}
    head = {"apiVersion": resource.api_version, "kind": resource.kind}
    return {**head, "metadata": {**place, "labels": labels, **metadata}, **content}
