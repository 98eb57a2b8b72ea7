"""Preflight's looks at what is not m2s's: Secrets, by their keys only, accounts, and others."""

from m2s.base.errors import ClusterUnavailable, Rejected
from m2s.domain.versions import Key, Unchecked
from m2s.platforms.findings import Look, Seen
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


def objects(api: Api, look: Look) -> Seen:
    """Return the objects of a look; none also where the server has no such kind or group.

    Raises :class:`~m2s.base.errors.ClusterUnavailable` when the server does not answer.
    """
    kind, one = look.resource, bool(look.name) or not look.resource.plural
    place = f"/namespaces/{namespace_name(look.namespace)}" if look.namespace else ""
    steps = filter(None, (kind.plural, look.name and object_name(look.name)))
    root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
    asked = Asked(api.server, "get" if one else "list", Key(look.namespace, look.name), kind.right)
    query = {"limit": "1"} if look.first else {}
    answer = api.ask("GET", "/".join((f"{root}{place}", *steps)), asked, query=query)
    if answer.status == 404:
        return ()
    if not answer.ok:
        return _unknown(answer, asked)
    body = answer.body
    wants = (kind.kind if one else f"{kind.kind}List", kind.api_version if kind.plural else "v1")
    items = [body] if one else body.get("items")
    if (body.get("kind"), body.get("apiVersion")) != wants or not isinstance(items, list):
        return Unchecked(f"{asked.server} answered `{asked}` with something else")
    return tuple(item for item in items if isinstance(item, dict))


def _unknown(answer: Answer, asked: Asked) -> Unchecked:
    error = refusal(answer, asked)
    if isinstance(error, ClusterUnavailable):
        raise error
    return Unchecked(str(error))


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
    return _unknown(answer, asked)
