"""Does the cluster serve what was applied? Kubernetes' own word for it, as kubectl reads it."""

from __future__ import annotations

from m2s.domain.rollout import Rollout
from m2s.domain.serving import State
from m2s.objects.body import Body
from m2s.platforms.common.rollouts import standstill
from m2s.platforms.deployment import service
from m2s.platforms.platform import Pods


def progress(live: Body, generation: int, pods: Pods) -> Rollout:
    """Return how far a Deployment has come in serving ``generation`` or a later one."""
    metadata = live["metadata"]
    if metadata.get("deletionTimestamp"):
        return Rollout.fails("it is being deleted")
    if int(metadata.get("generation") or 0) < generation:
        return Rollout.waits(f"generation {generation} is not visible yet")
    failed, stuck = standstill([live], pods)
    if failed:
        return Rollout.fails(stuck)
    return Rollout.waits(stuck) if stuck else Rollout.serves()


def state(body: Body) -> State:
    """Return what Kubernetes says of a Deployment, nothing where it says nothing."""
    try:
        endpoint = service.endpoint(body)
        if not body.get("status"):
            return State(endpoint=endpoint)
        failed, stuck = standstill([body], lambda _: ())
    except (LookupError, TypeError, ValueError, AttributeError):
        return State()
    word = "Failed" if failed else "Creating" if stuck else "Available"
    return State(word, stuck, endpoint)
