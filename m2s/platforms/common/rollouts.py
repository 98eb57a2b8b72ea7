"""How far an apps/v1 Deployment has come, as kubectl tells it, and what is in its way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from m2s.base.wording import one_line
from m2s.objects.body import Body

_LATE = "ProgressDeadlineExceeded"
_ON_ITS_WAY = frozenset({"", "ContainerCreating", "PodInitializing"})


def owned_by(uid: str, deployments: Iterable[Body]) -> tuple[Body, ...]:
    """Leave out the Deployments that another object controls: labels are not unique."""
    return tuple(d for d in deployments if controllers(d) <= {uid})


def controllers(deployment: Body) -> set[str]:
    """Return the uids of the objects that control a Deployment."""
    references = deployment["metadata"].get("ownerReferences") or []
    return {str(reference.get("uid")) for reference in references if reference.get("controller")}


def standstill(
    deployments: Sequence[Body], pods: Callable[[Body], Sequence[Body]]
) -> tuple[bool, str]:
    """Return whether a Deployment has failed, and what is not rolled out and why, "" for nothing.

    ``pods`` is asked only where a Deployment alone does not tell why.
    """
    for failed, why in ((True, deadline_exceeded), (False, unfinished)):
        for deployment in deployments:
            if stuck := why(deployment):
                obstacle = _obstacle(deployment, ()) or _obstacle(deployment, pods(deployment))
                return failed, f"{stuck}: {obstacle}" if obstacle else stuck
    return False, ""


def deadline_exceeded(deployment: Body) -> str | None:
    """Return why a Deployment will not progress any more, None where it still may."""
    stopped = _condition(deployment, "Progressing", "False")
    if stopped.get("reason") == _LATE and observed(deployment):
        name = deployment["metadata"]["name"]
        return f"Deployment {name} does not progress: {_told(stopped)}"
    return None


def unfinished(deployment: Body) -> str | None:
    """Return what ``kubectl rollout status`` would wait for (kubectl's ``rollout_status.go``)."""
    label, status = f"Deployment {deployment['metadata']['name']}", deployment.get("status") or {}
    wanted = wanted_replicas(deployment)
    total, updated, available = (
        int(status.get(key) or 0) for key in ("replicas", "updatedReplicas", "availableReplicas")
    )
    if not observed(deployment):
        return f"{label}: its update is not observed yet"
    if updated < wanted:
        return f"{label}: {updated} of {wanted} new replicas are updated"
    if total > updated:
        return f"{label}: {total - updated} old replicas are still there"
    if available < updated:
        return f"{label}: {available} of {updated} updated replicas are available"
    return None


def observed(deployment: Body) -> bool:
    """Whether the controller has seen the Deployment's present generation."""
    status = deployment.get("status") or {}
    generation = int(deployment["metadata"].get("generation") or 0)
    return int(status.get("observedGeneration") or 0) >= generation


def wanted_replicas(deployment: Body) -> int:
    """Return how many replicas a Deployment asks for; 1 where it does not say."""
    replicas = deployment["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def _obstacle(deployment: Body, pods: Sequence[Body]) -> str | None:
    """Return what keeps a Deployment from being rolled out, in its own words; None if unknown.

    That no pod can be made (a quota, an admission controller) is a condition of the Deployment;
    what keeps a pod from running only its ``pods`` tell, of which the youngest counts.
    """
    refused = _condition(deployment, "ReplicaFailure", "True")
    stopped = _condition(deployment, "Progressing", "False")
    if refused or stopped.get("reason") not in (None, _LATE):
        return one_line(_told(refused or stopped))
    labels = (deployment["spec"]["template"].get("metadata") or {}).get("labels") or {}
    own = [pod for pod in pods if labels.items() <= (pod["metadata"].get("labels") or {}).items()]
    own.sort(key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)
    found = [f"pod {pod['metadata']['name']}: {why}" for pod in own for why in _troubles(pod)]
    return one_line(found[0]) if found else None


def _condition(thing: Body, kind: str, status: str) -> Body:
    conditions = (thing.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if (c.get("type"), c.get("status")) == (kind, status)), {})


def _told(condition: Body) -> str:
    return str(condition.get("message") or condition.get("reason"))


def _troubles(pod: Body) -> Iterator[str]:
    """Yield what keeps a pod from being ready, what says most first."""
    status = pod.get("status") or {}
    if unscheduled := _condition(pod, "PodScheduled", "False"):
        yield f"{unscheduled.get('reason')}: {_told(unscheduled)}"
    if status.get("reason"):  # Evicted, NodeLost
        yield _with(status)
    every = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    for one in every:
        state = one.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if str(waiting.get("reason") or "") not in _ON_ITS_WAY:
            yield f"container {one.get('name')}: {_with(waiting)}{_last(one)}"
        elif ended.get("exitCode"):
            yield f"container {one.get('name')}: {_exit(ended)}"
    for one in every:
        if "running" in (one.get("state") or {}) and not one.get("ready"):
            yield f"container {one.get('name')} runs and is not ready{_last(one)}"


def _last(container: Body) -> str:
    ended = (container.get("lastState") or {}).get("terminated") or {}
    return f"; last: {_exit(ended)}" if ended else ""


def _exit(ended: Body) -> str:
    """Return how a container ended, and its last line: the message may be the end of its log."""
    lines = str(ended.get("message") or "").strip().splitlines()
    said = f": {lines[-1].strip()}" if lines else ""
    return f"{ended.get('reason') or 'ended'}, exit code {ended.get('exitCode')}{said}"


def _with(thing: Body) -> str:
    return ": ".join(str(thing[key]) for key in ("reason", "message") if thing.get(key))
