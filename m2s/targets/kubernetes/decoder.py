"""What an API server's answer is, checked before anybody uses it (law 11).

An answer counts only if it names what was asked for: its kind, its apiVersion, its name. A proxy's
``{}``, a login page or another server's JSON is an error, never an absence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from m2s.base.errors import ClusterError, Rejected
from m2s.base.wording import one_line
from m2s.domain.versions import Key
from m2s.objects.body import Body
from m2s.platforms import catalogue
from m2s.targets.kubernetes.failures import Answer, Asked

_KINDS = {
    "deployments": ("apps/v1", "Deployment"),
    "leases": ("coordination.k8s.io/v1", "Lease"),
    "events": ("v1", "Event"),
    "secrets": ("v1", "Secret"),
    "serviceaccounts": ("v1", "ServiceAccount"),
    "namespaces": ("v1", "Namespace"),
    "pods": ("v1", "Pod"),
    "selfsubjectaccessreviews": ("authorization.k8s.io/v1", "SelfSubjectAccessReview"),
    "selfsubjectreviews": ("authentication.k8s.io/v1", "SelfSubjectReview"),
}


def _kind(plural: str) -> tuple[str, str] | None:
    """Return the apiVersion and the kind of a resource, None of what is no object."""
    found = catalogue.by_plural(plural)
    return (found.api_version, found.kind) if found else _KINDS.get(plural)


_REMEDY = "check that the kubeconfig's server is a Kubernetes API server"


def decoded(status: int, data: bytes, asked: Asked, location: str = "") -> Answer:
    """Return an answer's body as JSON; of one that failed without JSON its text.

    ``location`` is the header of a redirect. ClusterError: it is no API server's answer.
    """
    if 300 <= status < 400:
        where = one_line(location) or "nowhere"
        raise _error(
            asked,
            f"{asked.server} answers with a redirect (HTTP {status}) to {where}, which m2s does "
            "not follow, so that manifests and credentials go to one server only: if that is "
            "right, put it into the kubeconfig",
        )
    try:
        body = json_of(data)
    except ValueError:
        body = None
    if isinstance(body, dict):
        return Answer(status, body)
    text = one_line(data[:200].decode(errors="replace"))
    if status >= 400:
        return Answer(status, {"message": f"{text} (HTTP {status})"})
    what = f"{asked.server} answered HTTP {status} with something that is not JSON"
    raise _error(asked, f"{what}: {_REMEDY}")


def json_of(data: bytes) -> Any:
    """Decode what Kubernetes calls JSON: no NaN, no half characters, not too deep for Python.

    ValueError: it is none of that.
    """
    try:
        value = json.loads(data, parse_constant=_refuse)
        if b"\\u" in data:
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def expect_object(answer: Answer, asked: Asked) -> None:
    """Raise unless an answer that is ok is the object that was asked for.

    What is no object of Kubernetes', such as its version, is the caller's to check.
    """
    if _kind(asked.resource) and (what := _other(answer.body, asked)):
        raise _foreign(asked, what)


def expect_deleted(answer: Answer, asked: Asked, uid: str) -> None:
    """Raise unless an answer that is ok says that this very object is deleted, or will be."""
    body = answer.body
    if body.get("kind") == "Status":
        about = answer.details
        same = (about.get("name"), about.get("uid", uid)) == (asked.key.name, uid)
        if body.get("status") == "Success" and same:
            return
        raise _foreign(asked, f"a Status about {_told(about.get('name'))}")
    expect_object(answer, asked)
    metadata = body["metadata"]
    if metadata.get("uid") != uid or not metadata.get("deletionTimestamp"):
        raise _foreign(asked, "an object that is not being deleted")


def page(answer: Answer, asked: Asked) -> tuple[list[Body], str]:
    """Return the items of a page of a list, and the token of the next one, "" after the last.

    ClusterError: it is no such list, or an item is not of it.
    """
    version, kind = _known(asked)
    body, metadata = answer.body, answer.body.get("metadata")
    if what := _misnamed(body, version, f"{kind}List"):
        raise _foreign(asked, what)
    items = body.get("items", ())
    token = metadata.get("continue") or "" if isinstance(metadata, dict) else None
    # Go writes an empty list of a built-in kind as null
    if not isinstance(token, str) or not isinstance(items, list | None):
        raise _foreign(asked, "a list without items")
    for item in items or []:
        if what := strange(item, asked):
            raise _foreign(asked, f"a list that holds {what}")
    return items or [], token


def strange(item: Any, asked: Asked) -> str:
    """Return what an item of a list is when it is none of those that were asked for, else "".

    Items of built-in kinds say neither kind nor apiVersion.
    """
    if not isinstance(item, dict):
        return _told(item)
    version, kind = _known(asked)
    told = {"apiVersion": version, "kind": kind, **item}
    name = _name(item)
    if not isinstance(name, str) or not name:
        return "an object without a name"
    return _other(told, Asked("", "", Key(asked.key.namespace, name), asked.resource))


def is_kind(body: Mapping[str, Any], asked: Asked) -> bool:
    """Whether an object is of the kind that was asked for."""
    return not _misnamed(body, *_known(asked))


def _known(asked: Asked) -> tuple[str, str]:
    return _kind(asked.resource) or ("", "")


def _other(body: Mapping[str, Any], asked: Asked) -> str:
    """Return what an object is when it is not the one that was asked for, else ""."""
    if what := _misnamed(body, *_known(asked)):
        return what
    if (_name(body) or "") != asked.key.name:
        return f"{body['kind']} {_told(_name(body))}"
    namespace = (body.get("metadata") or {}).get("namespace") or ""
    return f"one in namespace {_told(namespace)}" if namespace != asked.key.namespace else ""


def _misnamed(body: Mapping[str, Any], version: str, kind: str) -> str:
    found = body.get("kind"), body.get("apiVersion")
    if found == (kind, version):
        return ""
    if found == (None, None):
        return f"something that is no {kind} ({_told(body)})"
    return f"{_told(found[0])} of {_told(found[1])} instead of {kind} of {version}"


def _name(body: Mapping[str, Any]) -> Any:
    metadata = body.get("metadata")
    return metadata.get("name") if isinstance(metadata, dict) else None


def _told(value: Any) -> str:
    try:
        text = value if isinstance(value, str) else json.dumps(value)
    except RecursionError:
        return "something nested very deeply"
    return text if len(text) <= 40 else f"{text[:39]}…"


def _foreign(asked: Asked, what: str) -> ClusterError:
    return _error(asked, f"{asked.server} answered `{asked}` with {one_line(what)}: {_REMEDY}")


def _error(asked: Asked, text: str) -> ClusterError:
    """Whatever a write is answered with concerns the one object that was to be written."""
    return Rejected(text) if asked.writes else ClusterError(text)
