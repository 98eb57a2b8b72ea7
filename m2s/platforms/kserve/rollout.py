"""Does the cluster serve what was applied? Evidence from the Deployments that KServe makes.

``Ready`` and ``modelStatus`` alone do not tell: both say that all is well from the first to the
last moment of a roll-out, and also where KServe refuses a change without a word. So the Pods of
each Deployment must carry the digest that was written with the change (``m2s.io/rollout``) and the
model's URI, be rolled out with the replicas asked for, and then ``Ready`` must be true. In Knative
mode the Deployments are a Revision's: there the revisions' names tell. Measured with KServe 0.20.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from m2s.base.labels import ROLLOUT
from m2s.base.wording import one_line
from m2s.domain.rollout import Rollout
from m2s.domain.serving import State
from m2s.objects.body import Body
from m2s.platforms.common.pods import mappings, text
from m2s.platforms.common.rollouts import controllers, standstill, wanted_replicas
from m2s.platforms.kserve.bundle import digest_of
from m2s.platforms.kserve.description import KNATIVE, STILL, STOP, mode
from m2s.platforms.kserve.units import Component, components, places
from m2s.platforms.platform import Pods

SOURCE = "internal.serving.kserve.io/storage-initializer-sourceuri"
_REFUSED = ("InvalidSpec", "BlockedByFailedLoad")


def progress(
    live: Body, before: Body | None, deployments: Sequence[Body], generation: int, pods: Pods
) -> Rollout:
    """Return how far the object ``live`` has come in serving ``generation`` or a later one.

    See :meth:`m2s.platforms.platform.Platform.rollout`.
    """
    if int(live["metadata"].get("generation") or 0) < generation:
        return Rollout.waits(f"generation {generation} is not visible yet")
    if _is_set(live, STOP):
        return Rollout.fails(f"annotation {STOP} stops it: remove that, and it is served")
    if (text(live, "status.deploymentMode") or mode(live)) in KNATIVE:
        return _of_revisions(live, before)
    if behind := _behind(live, deployments):
        return _not_yet(live, before, behind)
    failed, stuck = standstill(deployments, pods)
    if failed:
        return Rollout.fails(stuck)
    if stuck or (stuck := _unready(live) or _unshared(live)):
        return Rollout.waits(stuck)
    return Rollout.serves()


def _not_yet(live: Body, before: Body | None, behind: str) -> Rollout:
    """Return what keeps KServe from beginning, where it tells; an earlier refusal is none."""
    if _is_set(live, STILL):
        return Rollout.fails(f"annotation {STILL} keeps KServe from following changes: remove it")
    why = refused(live)
    if why and (before is None or why != refused(before)):
        return Rollout.fails(why)
    told = why or (_unready(live) if condition(live, "Ready") else "is its controller running?")
    return Rollout.waits(f"{behind}; {told}" if told else behind)


def _behind(live: Body, deployments: Sequence[Body]) -> str:
    """Return what the Deployments do not show yet of what was written."""
    there = {str(one["metadata"]["name"]): one for one in deployments}
    wanted = {_deployment(live, component): component for component in components(live)}
    for name, component in wanted.items():
        if name not in there:
            return f"KServe has made no Deployment {name} yet, for {component.label}"
        if stale := _stale(live, component, there[name]):
            return f"Deployment {name} {stale}"
    for name, one in there.items():
        if name not in wanted and controllers(one):
            return f"Deployment {name} is of an older description and is not removed yet"
    return ""


def _deployment(live: Body, component: Component) -> str:
    """Return the name that KServe gives a component's Deployment (``PredictorServiceName``)."""
    variant = text(component.spec, "name") if component.is_predictor else ""
    return "-".join(filter(None, (live["metadata"]["name"], variant, str(component.path[-1]))))


def _stale(live: Body, component: Component, deployment: Body) -> str:
    template = deployment["spec"]["template"].get("metadata") or {}
    shown, wanted = template.get("annotations") or {}, digest_of(live, component)
    if wanted and shown.get(ROLLOUT) != wanted:
        return "does not show what was written yet"
    uris = [one.uri for one in places(live) if one.component.path == component.path and one.uri]
    if (
        component.is_predictor
        and SOURCE in shown
        and shown[SOURCE] not in (uris or [shown[SOURCE]])
    ):
        return f"has the model at {shown[SOURCE]}, not at {uris[0]} yet"
    least, there = component.spec.get("minReplicas"), wanted_replicas(deployment)
    if isinstance(least, int) and there < least:
        return f"is not scaled from {there} to {least} replicas yet"
    return ""


def _of_revisions(live: Body, before: Body | None) -> Rollout:
    """Return how far Knative has come: a change of what reaches the Pods makes a Revision."""
    for component in components(live):
        name = str(component.path[-1])
        created, ready = _revisions(live, name)
        if not created or created != ready:
            return _not_yet(live, before, f"Revision {created or f'of the {name}'} is not ready")
        changed = before and digest_of(before, component) != digest_of(live, component)
        if changed and created == _revisions(before or {}, name)[0]:
            return _not_yet(live, before, f"Knative has made no Revision after {created} yet")
    if stuck := _unready(live):
        return Rollout.waits(stuck)
    known = before is not None or live["metadata"].get("generation") == 1
    return Rollout.serves("" if known else "in Knative mode nothing tells since when it serves")


def _revisions(body: Body, component: str) -> tuple[str, str]:
    told = f"status.components.{component}"
    return text(body, f"{told}.latestCreatedRevision"), text(body, f"{told}.latestReadyRevision")


def _unready(live: Body) -> str:
    """Return why KServe does not call it ready, "" where it does."""
    ready = condition(live, "Ready")
    if ready.get("status") == "True":
        return ""
    conditions = [one for one in _conditions(live) if one.get("status") == "False"]
    told = next((words for one in (ready, *conditions) if (words := _told(one))), "")
    return f"KServe does not call it ready{': ' + told if told else ''}"


def _unshared(live: Body) -> str:
    """Return which canary's share is not in force yet, as KServe reports it."""
    there = {
        text(one, "name"): one.get("trafficPercent", 0)
        for one in mappings(live, "status.canaryStatuses.*")
    }
    for canary in mappings(live, "spec.canary.*"):
        name = text(canary, "predictor.name")
        if there.get(name) != canary.get("trafficPercent", 0):
            return f"canary {name} does not have its share of the requests yet"
    return ""


def refused(live: Body) -> str:
    """Return why KServe makes nothing of an object, "" where it does: an old failure stays there.

    ``lastFailureInfo`` outlives what it tells of; ``transitionStatus`` does not.
    """
    status = text(live, "status.modelStatus.transitionStatus")
    if status not in _REFUSED:
        return ""
    info = next(iter(mappings(live, "status.modelStatus.lastFailureInfo")), {})
    words = ": ".join(filter(None, (text(info, "reason"), text(info, "message"))))
    return one_line(f"KServe does not roll it out ({status}){': ' + words if words else ''}")


def state(body: Body) -> State:
    """Return what KServe says of an object; ``status.url`` leads nowhere without an Ingress."""
    endpoint = text(body, "status.address.url")
    if _is_set(body, STOP):
        return State("Stopped", f"annotation {STOP} stops it", endpoint)
    if why := refused(body):
        return State("Failed", why, endpoint)
    ready = condition(body, "Ready")
    if not ready:
        return State("", "", endpoint)
    if ready.get("status") == "True":
        return State("Available", "", endpoint)
    late = any(_reason(one) == "ProgressDeadlineExceeded" for one in _conditions(body))
    return State("Failed" if late else "Creating", _unready(body), endpoint)


def condition(body: Any, kind: str) -> Mapping[str, Any]:
    """Return a condition of an object's status, empty where there is none."""
    return next((one for one in _conditions(body) if one.get("type") == kind), {})


def _conditions(body: Any) -> Iterator[Mapping[str, Any]]:
    return iter(mappings(body, "status.conditions.*"))


def _reason(told: Mapping[str, Any]) -> str:
    return text(told, "reason")


def _told(told: Mapping[str, Any]) -> str:
    return one_line(": ".join(filter(None, (_reason(told), text(told, "message")))))


def _is_set(body: Any, annotation: str) -> bool:
    metadata = body.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    return isinstance(annotations, Mapping) and str(annotations.get(annotation)).lower() == "true"
