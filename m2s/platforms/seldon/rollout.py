"""Does the cluster serve what was applied? Evidence from the Deployments of the Seldon operator.

``status.state`` alone does not tell: it stays ``Available`` while a rolling update runs, flaps to
``Failed`` in between, and the operator writes no ``observedGeneration``. So each predictor's model
URIs, images and replicas must be found in the Deployments, these must be rolled out, and then the
state must be ``Available``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from m2s.domain.rollout import Rollout
from m2s.objects.body import Body
from m2s.platforms.common.rollouts import deadline_exceeded, unfinished, wanted_replicas
from m2s.platforms.seldon import evidence


def seldon_ids(live: Body) -> tuple[str, ...]:
    """Return the values of ``seldon-deployment-id`` that the operator labels Deployments with.

    The object's name, and for an executor in a pod of its own the predictor's.
    """
    name = live["metadata"]["name"]
    predictors = [_named(f"{name}-{predictor.get('name')}") for predictor in _predictors(live)]
    return (_named(name), *predictors)


def owned_by(uid: str, deployments: Iterable[Body]) -> tuple[Body, ...]:
    """Leave out the Deployments that another object controls: labels are not unique."""
    return tuple(d for d in deployments if evidence.controllers(d) <= {uid})


def progress(live: Body, deployments: Sequence[Body], generation: int) -> Rollout:
    """Return how far the object ``live`` has come in serving ``generation`` or a later one.

    ``deployments`` are the apps/v1 Deployments made for it.
    """
    metadata, status = live["metadata"], live.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return Rollout(serving=False, failed=True, message="it is being deleted")
    if int(metadata.get("generation", 0)) < generation:
        return _waiting(f"generation {generation} is not visible yet", status)
    if not deployments:
        return _waiting("the Seldon operator has made no Deployment yet", status)
    if missing := _missing(live, deployments) or _outdated(live, deployments):
        return _waiting(missing, status)
    return _rolled_out(deployments, status)


def _missing(live: Body, deployments: Sequence[Body]) -> str:
    """Return what of the spec no Deployment shows yet."""
    found = {text for deployment in deployments for text in evidence.texts(deployment)}
    for predictor in _predictors(live):
        label = f"predictor {predictor.get('name')}"
        for uri in evidence.model_uris(predictor.get("graph") or {}):
            if not evidence.mentions(uri, found):
                return f"{label}: no Deployment has model {uri} yet"
        for image in evidence.images(predictor):
            if image not in found:
                return f"{label}: no Deployment has image {image} yet"
    return ""


def _outdated(live: Body, deployments: Sequence[Body]) -> str:
    """Return what the Deployments still show of an older spec."""
    known = set(evidence.strings(live["spec"]))
    for deployment in deployments:
        name = deployment["metadata"]["name"]
        for uri in evidence.served_uris(deployment):
            if uri not in known:
                return f"Deployment {name} still has model {uri}"
        if wrong := _wrong_replicas(live, deployment):
            return f"Deployment {name} {wrong}"
    return ""


def _wrong_replicas(live: Body, deployment: Body) -> str:
    predictor = _predictor_of(live, deployment)
    if predictor is None:
        return "belongs to no predictor any more and is not removed yet"
    allowed = _replicas(live, predictor)
    if not allowed or wanted_replicas(deployment) in allowed:
        return ""
    numbers = " or ".join(map(str, sorted(allowed)))
    return f"is not scaled from {wanted_replicas(deployment)} to {numbers} replicas yet"


def _predictor_of(live: Body, deployment: Body) -> Body | None:
    """Return the predictor a Deployment is for: by the operator's own mark, else by its name."""
    by_name = {str(predictor.get("name")): predictor for predictor in _predictors(live)}
    if marks := evidence.predictor_names(deployment):
        return next((by_name[mark] for mark in marks if mark in by_name), None)
    prefix, own = live["metadata"]["name"], deployment["metadata"]["name"]
    matching = [name for name in by_name if own.startswith(f"{prefix}-{name}-")]
    return by_name[max(matching, key=len)] if matching else next(iter(by_name.values()))


def _replicas(live: Body, predictor: Body) -> set[int]:
    """Return the replica counts stated for a predictor's Deployments; none if any is left open."""
    components = predictor.get("componentSpecs") or [{}]
    if any(component.get("hpaSpec") or component.get("kedaSpec") for component in components):
        return set()
    general = predictor.get("replicas", live["spec"].get("replicas"))
    stated = [component.get("replicas", general) for component in components]
    if None in stated:
        return set()
    others = [(predictor.get(key) or {}).get("replicas") for key in ("explainer", "svcOrchSpec")]
    return {int(number) for number in (general, *stated, *others) if number is not None}


def _rolled_out(deployments: Sequence[Body], status: Mapping[str, Any]) -> Rollout:
    for deployment in deployments:
        if reason := deadline_exceeded(deployment):
            return Rollout(serving=False, failed=True, message=reason)
    for deployment in deployments:
        if stuck := unfinished(deployment):
            return _waiting(stuck, status)
    scaled_to_zero = all(wanted_replicas(deployment) == 0 for deployment in deployments)
    if status.get("state") == "Available" or scaled_to_zero:  # never Available without replicas
        return Rollout(serving=True, failed=False, message="")
    return _waiting("its Deployments are rolled out", status)


def _waiting(what: str, status: Mapping[str, Any]) -> Rollout:
    state = status.get("state") or "empty (is the Seldon Core operator running?)"
    description = f": {status['description']}" if status.get("description") else ""
    message = f"{what}; the operator's state is {state}{description}"
    return Rollout(serving=False, failed=False, message=message)


def _predictors(live: Body) -> Sequence[Body]:
    return (live.get("spec") or {}).get("predictors") or [{}]


def _named(text: str) -> str:
    """Return a name as the operator shortens it (``seldondeployment_types.go``)."""
    if len(text) <= 63:
        return text
    return "seldon-" + hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
