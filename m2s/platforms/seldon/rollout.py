"""Does the cluster serve what was applied? Evidence from the Deployments of the Seldon operator.

``status.state`` alone does not tell: it stays ``Available`` while a rolling update runs, flaps to
``Failed`` in between, and the operator writes no ``observedGeneration``. So each Deployment must
show what was written, of whatever kind the change was, have its replicas and be rolled out, and
then the state must be ``Available``. Traffic shows in no Deployment: that is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from m2s.domain.rollout import Rollout
from m2s.objects.body import Body
from m2s.platforms.common.rollouts import (
    controllers,
    deadline_exceeded,
    obstacle,
    unfinished,
    wanted_replicas,
)
from m2s.platforms.common.shows import left, missing
from m2s.platforms.platform import Pods
from m2s.platforms.seldon import evidence
from m2s.platforms.seldon.made import (
    Made,
    belonging,
    expected,
    is_without_engine,
    nodes,
    predictors,
)


def progress(
    live: Body,
    before: Body | None,
    deployments: Sequence[Body],
    generation: int,
    pods: Pods,
) -> Rollout:
    """Return how far the object ``live`` has come in serving ``generation`` or a later one.

    Args:
        live: the SeldonDeployment as it is.
        before: as it was before it was written, where that is known: what was only taken out of
            it is known by that alone.
        deployments: the apps/v1 Deployments made for it.
        generation: the one that was written.
        pods: asked about a Deployment that is not rolled out, to say why.
    """
    metadata, status = live["metadata"], live.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return Rollout.fails("it is being deleted")
    if int(metadata.get("generation", 0)) < generation:
        return _waiting(f"generation {generation} is not visible yet", status)
    if not deployments:
        return _waiting("the Seldon operator has made no Deployment yet", status)
    if behind := _behind(live, before, deployments):
        return _waiting(behind, status)
    return _rolled_out(deployments, status, pods, _unseen(live, before))


def _behind(live: Body, before: Body | None, deployments: Sequence[Body]) -> str:
    """Return what the Deployments do not show yet of what was written."""
    makes = expected(live)
    found = set[str]()
    for deployment in deployments:
        made, name = belonging(deployment, makes), deployment["metadata"]["name"]
        if made is None:
            if controllers(deployment):
                return f"Deployment {name} is of an older description and is not removed yet"
            continue
        found.add(made.name)
        if stale := _stale(live, before, made, deployment) or _wrong_replicas(made, deployment):
            return f"Deployment {name} {stale}"
    for made in makes:
        if made.name not in found:
            label = f"predictor {made.predictor.get('name')}"
            return f"{label}: the Seldon operator has not made Deployment {made.name} yet"
    return ""


def _stale(live: Body, before: Body | None, made: Made, deployment: Body) -> str:
    """Return what a Deployment still shows of an older spec."""
    if live["metadata"].get("generation") == 1 and controllers(deployment):
        return ""  # it was made from this spec: there has been no other
    wanted = evidence.wanted(live["spec"], made, deployment)
    shown = evidence.shown(made, deployment)
    if path := missing(wanted, shown):
        return f"does not show {path} as written yet"
    earlier = _earlier(before, made) if before else None
    if before and earlier:
        gone = left(evidence.wanted(before["spec"], earlier, deployment), wanted, shown)
        return f"still shows {gone}, which was taken out" if gone else ""
    return ""


def _earlier(before: Body, made: Made) -> Made | None:
    """Return the same Deployment as the spec before it describes it."""

    def place(one: Made) -> tuple[str, object, int]:
        return one.role, one.predictor.get("name"), one.index

    return next((one for one in expected(before) if place(one) == place(made)), None)


def _wrong_replicas(made: Made, deployment: Body) -> str:
    there = wanted_replicas(deployment)
    if made.replicas is None or there == made.replicas:
        return ""
    return f"is not scaled from {there} to {made.replicas} replicas yet"


def _rolled_out(
    deployments: Sequence[Body], status: Mapping[str, Any], pods: Pods, note: str
) -> Rollout:
    for deployment in deployments:
        if reason := deadline_exceeded(deployment):
            return Rollout.fails(_because(reason, deployment, pods))
    for deployment in deployments:
        if stuck := unfinished(deployment):
            return _waiting(_because(stuck, deployment, pods), status)
    # never Available while a Deployment has no replicas
    scaled_to_zero = any(wanted_replicas(deployment) == 0 for deployment in deployments)
    if status.get("state") == "Available" or scaled_to_zero:
        return Rollout.serves(note)
    return _waiting("its Deployments are rolled out", status)


def _because(stuck: str, deployment: Body, pods: Pods) -> str:
    why = obstacle(deployment, ()) or obstacle(deployment, pods(deployment))
    return f"{stuck}: {why}" if why else stuck


def _unseen(live: Body, before: Body | None) -> str:
    """Return the changes that no Deployment shows: traffic, and options of an orchestrator."""
    earlier = before or live
    found = ["traffic shares"] if _each(live, "traffic") != _each(earlier, "traffic") else []
    if any(map(is_without_engine, predictors(live))):
        told = (("transport", "rest"), ("serverType", "rpc"))
        now, old = ([body["spec"].get(k) or usual for k, usual in told] for body in (live, earlier))
        found += [k for (k, _), new, was in zip(told, now, old, strict=True) if new != was]
        found += [k for k in ("svcOrchSpec", "logger") if _each(live, k) != _each(earlier, k)]
    if not found:
        return ""
    return (
        f"{', '.join(found)} changed: its Deployments do not show whether these are in "
        "force; everything else is"
    )


def _each(live: Body, field: str) -> dict[Any, Any]:
    """Return what every predictor states of a field, or every node of its graph."""
    return {
        (predictor.get("name"), part.get("name"), number): part[field]
        for predictor in predictors(live)
        for number, part in enumerate((predictor, *nodes(predictor)))
        if part.get(field)
    }


def _waiting(what: str, status: Mapping[str, Any]) -> Rollout:
    state = status.get("state") or "empty (is the Seldon Core operator running?)"
    description = f": {status['description']}" if status.get("description") else ""
    message = f"{what}; the operator's state is {state}{description}"
    return Rollout.waits(message)
