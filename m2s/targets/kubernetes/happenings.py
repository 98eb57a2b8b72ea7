"""Reads the Events of a namespace: what m2s and others reported of its deployments."""

from __future__ import annotations

from typing import Any

from m2s.base.errors import ClusterError, ClusterUnavailable
from m2s.base.labels import MODEL, MODEL_VERSION, OWNER
from m2s.domain.happenings import Happening
from m2s.domain.versions import Key, Unchecked
from m2s.objects.body import Body
from m2s.targets.kubernetes import pages
from m2s.targets.kubernetes.api import Api
from m2s.targets.kubernetes.failures import Asked
from m2s.targets.names import namespace_name


def read(api: Api, namespace: str, name: str | None) -> tuple[Happening, ...] | Unchecked:
    """Return the Events about the object ``name``, or for None m2s's own, the oldest first.

    Unchecked: they may not be read. ClusterUnavailable: the server does not answer.
    """
    # pkg/apis/core/v1/conversion.go of Kubernetes lists the fields that an Event is found by.
    chosen = f"involvedObject.name={name}" if name else "source=m2s"
    asked = Asked(api.server, "list", Key(namespace, ""), "events")
    path = f"/api/v1/namespaces/{namespace_name(namespace)}/events"
    try:
        found = pages.items(api, path, asked, {"fieldSelector": chosen})
    except ClusterUnavailable:
        raise
    except ClusterError as error:
        return Unchecked(str(error))
    return tuple(sorted(map(_happening, found), key=lambda one: (one.last, one.first)))


def _happening(body: Body) -> Happening:
    notes = _mapping(_mapping(body.get("metadata")).get("annotations"))
    series, source = _mapping(body.get("series")), _mapping(body.get("source"))
    first = _text(body.get("firstTimestamp") or body.get("eventTime"))
    last = body.get("lastTimestamp") or series.get("lastObservedTime") or first
    count = body.get("count") or series.get("count")
    return Happening(
        name=_text(_mapping(body.get("involvedObject")).get("name")),
        reason=_text(body.get("reason")),
        message=_text(body.get("message")),
        warning=body.get("type") == "Warning",
        source=_text(source.get("component") or body.get("reportingComponent")),
        first=first,
        last=_text(last),
        count=count if isinstance(count, int) else 1,
        owner=_text(notes.get(OWNER)),
        model=_text(notes.get(MODEL)),
        version=_text(notes.get(MODEL_VERSION)),
    )


def _mapping(value: Any) -> Body:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
