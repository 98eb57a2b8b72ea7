"""Pure: an InferenceService, and the ConfigMap that keeps what m2s knows of it.

KServe copies every label and annotation of an InferenceService into its Pods, so that a change of
one replaces them (kserve 0.20, ``buildPredictorResources``). So it carries only whose it is; all
else stands on a ConfigMap that it owns, and a pause or a pin never restarts a model.

Each component has a digest of what reaches its own Pods, among the annotations that KServe gives
these: it changes together with them, and tells later that they are as written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from m2s.base.labels import MANAGED_BY, MARKS, OWNER, ROLLOUT
from m2s.domain.resource import CONFIG_MAPS
from m2s.objects.body import Body, digest, replaced
from m2s.platforms.common.bundles import companion
from m2s.platforms.kserve.units import Component, components

_NOT_IN_PODS = frozenset({
    "minReplicas", "maxReplicas", "scaleTarget", "scaleMetric", "scaleMetricType", "autoScaling",
    "canaryTrafficPercent", "containerConcurrency", "timeout", "deploymentStrategy", "annotations",
})  # fmt: skip
"""Fields of a component of which a change replaces no Pod; annotations are looked at apart."""


def plain(body: Body) -> Body:
    """Return ``body`` without what is not seen once it is stored.

    That is a component's digest that a description gave, and its empty annotations.
    """
    bare = dict[tuple[str | int, ...], Any]()
    for one in components(body):
        if "annotations" in one.spec:
            kept = {key: value for key, value in _annotations(one).items() if key != ROLLOUT}
            rest = {key: value for key, value in one.spec.items() if key != "annotations"}
            bare[one.path] = {**rest, "annotations": kept} if kept else rest
    result: Body = replaced(body, bare)
    return result


def name_of(name: str) -> str:
    """Return what the ConfigMap of an InferenceService is called."""
    return f"{name}-m2s"


def stored(body: Body) -> tuple[Body, ...]:
    """Return the InferenceService and the ConfigMap that a deployment is stored as."""
    metadata = body["metadata"]
    own = {field: metadata.get(field) or {} for field in ("labels", "annotations")}
    marks, kept = dict[str, Any](), dict[str, Any]()
    for field, given in own.items():
        marks[field] = {k: v for k, v in given.items() if _is_mark(k) and k != ROLLOUT}
        if rest := {k: v for k, v in given.items() if not _is_mark(k)}:
            kept[field] = rest
    digests = {
        (*one.path, "annotations"): {**_annotations(one), ROLLOUT: _digest(one, kept)}
        for one in components(body)
    }
    place = {key: part for key, part in metadata.items() if key not in own}
    primary = {**replaced(body, digests), "metadata": {**place, **kept}}
    return primary, companion(body, CONFIG_MAPS, name_of(metadata["name"]), {}, **marks)


def seen(primary: Body, companions: Sequence[Body]) -> Body:
    """Return the one deployment that m2s compares and shows: the inverse of :func:`stored`.

    The components' digests are one annotation of it.
    """
    metadata = primary["metadata"]
    told = {field: dict(metadata.get(field) or {}) for field in ("labels", "annotations")}
    for one in companions:
        if one["metadata"]["name"] == name_of(metadata["name"]):
            for field, given in told.items():
                marks = one["metadata"].get(field) or {}
                given.update({k: v for k, v in marks.items() if _is_mark(k)})
    digests, bare = [], dict[tuple[str | int, ...], Any]()
    for component in components(primary):
        annotations = dict(_annotations(component))
        if found := annotations.pop(ROLLOUT, None):
            digests.append(f"{'.'.join(map(str, component.path))}={found}")
            rest = {k: v for k, v in component.spec.items() if k != "annotations"}
            bare[component.path] = {**rest, "annotations": annotations} if annotations else rest
    if digests:
        told["annotations"][ROLLOUT] = " ".join(digests)
    return {**replaced(primary, bare), "metadata": {**metadata, **told}}


def over(body: Body, live: Body) -> Body:
    """Return ``body`` with an empty ``canary`` where somebody else put one into ``live``."""
    if "canary" not in (live.get("spec") or {}) or "canary" in body["spec"]:
        return body
    return {**body, "spec": {**body["spec"], "canary": []}}


def digest_of(body: Body, component: Component) -> str:
    """Return the digest that the Pods of a component show, "" where none was written."""
    told = (body["metadata"].get("annotations") or {}).get(ROLLOUT) or ""
    pairs: dict[str, str] = dict(pair.partition("=")[::2] for pair in told.split())
    return pairs.get(".".join(map(str, component.path)), "")


def _annotations(component: Component) -> Mapping[str, Any]:
    given = component.spec.get("annotations")
    return given if isinstance(given, Mapping) else {}


def _is_mark(name: str) -> bool:
    return name.startswith(MARKS) and name not in (MANAGED_BY, OWNER)


def _digest(component: Component, metadata: Mapping[str, Any]) -> str:
    spec = {key: value for key, value in component.spec.items() if key not in _NOT_IN_PODS}
    own = {key: value for key, value in _annotations(component).items() if key != ROLLOUT}
    return digest([spec, own, metadata])[7:23]
