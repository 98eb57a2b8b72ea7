"""What an API server lets an account do, by the server's own word: nothing is tried out.

Every account may ask about itself: ``system:basic-user`` and ``system:discovery`` are bound to all
that are logged in, and no Role is needed.
"""

from collections.abc import Iterable
from typing import Any

from m2s.base.errors import ClusterError
from m2s.domain.resource import Resource
from m2s.domain.rights import Access, Right
from m2s.domain.versions import Key
from m2s.targets.kubernetes.api import Api
from m2s.targets.kubernetes.failures import Answer, Asked, refusal

_FORBIDDEN = 403


def look(
    api: Api, namespace: str, resources: Iterable[Resource], rights: Iterable[Right]
) -> Access:
    """Return what the server is, who asks, and which rights in the namespace are missing.

    ClusterError: the server cannot be reached, does not accept the credentials, or does not answer
    as an API server does.
    """
    version = _version(api)
    problems = (_namespace(api, namespace), *(_kind(api, resource) for resource in resources))
    missing = frozenset(right for right in rights if not _may(api, namespace, right))
    return Access(version, account(api), missing, tuple(filter(None, problems)))


def _version(api: Api) -> str:
    asked = Asked(api.server, "get", Key("", ""), "version")
    answer = api.ask("GET", "/version", asked)
    if answer.status == _FORBIDDEN:
        return ""
    if not answer.ok:
        raise refusal(answer, asked)
    version = answer.body.get("gitVersion")
    if isinstance(version, str):
        return version
    raise ClusterError(
        f"{api.server} does not answer as a Kubernetes API server: check the kubeconfig's "
        "server, or choose another --context"
    )


def _namespace(api: Api, name: str) -> str:
    """Say that the namespace is not there; not everybody may read namespaces."""
    asked = Asked(api.server, "get", Key("", name), "namespaces")
    answer = api.ask("GET", f"/api/v1/namespaces/{name}", asked)
    if answer.ok and _status(answer).get("phase") == "Terminating":
        return f"namespace {name} is being deleted: choose another --namespace"
    if answer.ok or answer.status == _FORBIDDEN:
        return ""
    return str(refusal(answer, asked))


def _kind(api: Api, resource: Resource) -> str:
    """Say that the server has no objects of a kind."""
    asked = Asked(api.server, "get", Key("", ""), "discovery")
    answer = api.ask("GET", f"/apis/{resource.api_version}", asked)
    if answer.ok and answer.body.get("groupVersion") != resource.api_version:
        return f"{api.server} does not say whether it has {resource.plural}: try again"
    if answer.ok or answer.status == _FORBIDDEN:
        return ""
    return str(refusal(answer, Asked(api.server, "get", Key("", ""), resource.plural)))


def _may(api: Api, namespace: str, right: Right) -> bool:
    resource, _, group = right.resource.partition(".")
    resource, _, part = resource.partition("/")
    about = {"namespace": namespace, "verb": right.verb, "name": right.name}
    attributes = {**about, "group": group, "resource": resource, "subresource": part}
    allowed = _review(api, "authorization", "SelfSubjectAccessReview", attributes).get("allowed")
    if isinstance(allowed, bool):
        return allowed
    raise ClusterError(f"{api.server} does not say whether this account may {right}")


def account(api: Api) -> str:
    """Return who asks, "" on a server that does not tell (before Kubernetes 1.28)."""
    try:
        user = _review(api, "authentication", "SelfSubjectReview", None).get("userInfo")
    except ClusterError:
        return ""
    name = user.get("username") if isinstance(user, dict) else ""
    return name if isinstance(name, str) else ""


def _review(api: Api, group: str, kind: str, attributes: dict[str, str] | None) -> dict[str, Any]:
    body: dict[str, Any] = {"apiVersion": f"{group}.k8s.io/v1", "kind": kind}
    if attributes:
        body["spec"] = {"resourceAttributes": attributes}
    resource = f"{kind.lower()}s"
    asked = Asked(api.server, "create", Key("", ""), resource)
    answer = api.ask("POST", f"/apis/{group}.k8s.io/v1/{resource}", asked, body=body)
    if not answer.ok:
        raise refusal(answer, asked)
    return _status(answer)


def _status(answer: Answer) -> dict[str, Any]:
    status = answer.body.get("status")
    return status if isinstance(status, dict) else {}
