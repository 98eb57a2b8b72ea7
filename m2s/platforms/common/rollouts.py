"""How far an apps/v1 Deployment has come, as kubectl tells it."""

from __future__ import annotations

from m2s.objects.body import Body


def deadline_exceeded(deployment: Body) -> str:
    """Return why a Deployment will not progress any more, "" where it still may."""
    for condition in (deployment.get("status") or {}).get("conditions") or []:
        stopped = condition.get("type") == "Progressing" and condition.get("status") == "False"
        reason = condition.get("reason")
        if stopped and reason == "ProgressDeadlineExceeded" and observed(deployment):
            name = deployment["metadata"]["name"]
            return f"Deployment {name} does not progress: {condition.get('message') or reason}"
    return ""


def unfinished(deployment: Body) -> str:
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
    return ""


def observed(deployment: Body) -> bool:
    """Whether the controller has seen the Deployment's present generation."""
    status = deployment.get("status") or {}
    generation = int(deployment["metadata"].get("generation") or 0)
    return int(status.get("observedGeneration") or 0) >= generation


def wanted_replicas(deployment: Body) -> int:
    """Return how many replicas a Deployment asks for; 1 where it does not say."""
    replicas = deployment["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)
