"""Preflight's looks at what a deployment refers to: Secrets, by their keys only, and accounts."""

from m2s.base.errors import ClusterUnavailable, Rejected
from m2s.domain.versions import Key, Unchecked
from m2s.targets.kubernetes.api import Api
from m2s.targets.kubernetes.failures import Answer, Asked, refusal
from m2s.targets.names import namespace_name, object_name


def secret_keys(api: Api, key: Key) -> frozenset[str] | Unchecked | None:
    """Return the names of a Secret's data; the data themselves are dropped here (law 7)."""
    answer = _get(api, "secrets", key)
    if isinstance(answer, Answer):
        data = answer.body.get("data")
        return frozenset(data if isinstance(data, dict) else {})
    return answer


def has_service_account(api: Api, key: Key) -> bool | Unchecked:
    """Return whether there is a ServiceAccount."""
    answer = _get(api, "serviceaccounts", key)
    return answer if isinstance(answer, Unchecked) else answer is not None


def _get(api: Api, resource: str, key: Key) -> Answer | Unchecked | None:
    """Return the object, None when there is none of this name, and why nobody can tell otherwise.

    Raises :class:`~m2s.base.errors.ClusterUnavailable` when the server does not answer.
    """
    try:
        name = object_name(key.name)
    except Rejected:
        return None  # nothing can have this name
    path = f"/api/v1/namespaces/{namespace_name(key.namespace)}/{resource}/{name}"
    asked = Asked(api.server, "get", key, resource)
    answer = api.ask("GET", path, asked)
    if answer.ok:
        return answer
    if answer.says_absent(resource, key.name):
        return None
    error = refusal(answer, asked)
    if isinstance(error, ClusterUnavailable):
        raise error
    return Unchecked(str(error))
