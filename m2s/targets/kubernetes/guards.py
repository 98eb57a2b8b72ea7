"""What keeps a write from touching anything but the object that it is meant for."""

from m2s.base.errors import Conflict
from m2s.domain.deployments import LiveDeployment
from m2s.objects.body import Body

_NEVER = "1"
"""A resourceVersion that no object has: etcd's first revision is that of the empty store."""


def new(body: Body) -> Body:
    """Return ``body`` so that server-side apply creates it, and is a conflict (409) otherwise.

    One that states a resourceVersion creates where nothing is (kubernetes/kubernetes#106745), and
    is refused over anything that has another one: here that is whatever is there.
    """
    return {**body, "metadata": {**body["metadata"], "resourceVersion": _NEVER}}


def pinned(body: Body, live: LiveDeployment) -> Body:
    """Return ``body`` with the identity of ``live``: the server refuses it (409) for any other."""
    identity = {"uid": live.uid, "resourceVersion": live.resource_version}
    return {**body, "metadata": {**body["metadata"], **identity}}


def delete_options(live: LiveDeployment) -> Body:
    """Return the body of a DELETE of ``live``, refused (409) for any other object."""
    return {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Background",
        "preconditions": {"uid": live.uid, "resourceVersion": live.resource_version},
    }


def same(now: LiveDeployment, seen: LiveDeployment) -> bool:
    """Whether an object is still the one that was seen, but for its status."""
    return now.uid == seen.uid and now.digest == seen.digest


def unmoved(seen: LiveDeployment, now: LiveDeployment | None) -> LiveDeployment:
    """Return an object as it is now; Conflict: it is no longer as it was seen."""
    if now is None or not same(now, seen):
        raise moved(now, seen)
    return now


def moved(now: LiveDeployment | None, seen: LiveDeployment) -> Conflict:
    """Return the error that an object is no longer the one that was seen."""
    if now is None:
        return Conflict("it was deleted since the plan was made: plan again")
    if now.uid != seen.uid:
        return Conflict("it was deleted and created anew since the plan was made: plan again")
    return Conflict("it changed since the plan was made: plan again")
