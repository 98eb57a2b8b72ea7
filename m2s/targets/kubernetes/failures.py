"""What a Kubernetes API server's refusal, or its silence, means to a user of m2s.

Only text and numbers come in: this module knows neither the client nor its exceptions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from m2s.base.errors import ClusterError, ClusterUnavailable, Conflict, Rejected
from m2s.base.wording import one_line
from m2s.domain.resource import GROUP, VERSION
from m2s.domain.versions import Key

BUSY = frozenset({429, 502, 503, 504})
"""Answers of a server that is overloaded or half gone: worth asking again."""

_BUSY_REASONS = frozenset({"ServerTimeout", "Timeout", "TooManyRequests", "ServiceUnavailable"})
_RBAC = re.compile(r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]*)"')
_SCHEMA = re.compile(
    r"failed to (?:create|convert) [\w ]*?object \([^)]*\)[\w ]*: (?P<why>.*)", re.S
)
_BEHIND = re.compile(
    r"(?:Internal error occurred: )?(?:(?P<webhook>failed calling webhook |conversion webhook for )"
    r"(?!.*received invalid webhook response)"
    r"|etcdserver: (?!request is too large)|rpc error: code = Unavailable)"
)
"""How a 500 begins that tells of an outage behind the API server, and of no fault of the object:
a webhook that cannot be reached (apiserver, ``webhook/errors``), etcd without a leader."""
_PREAMBLE = re.compile(r'^(Internal error occurred: |[\w.]+ "[^"]*" is (?:forbidden|invalid): )')


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered: the object asked for, or the ``Status`` that says why not."""

    status: int
    body: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        """Whether the body is what was asked for."""
        return 200 <= self.status < 300

    @property
    def reason(self) -> str:
        """The API machinery's one-word reason, or an empty text."""
        return str(self.body.get("reason") or "")

    @property
    def message(self) -> str:
        """The server's own words in one line."""
        return one_line(str(self.body.get("message") or f"HTTP {self.status}"))

    @property
    def details(self) -> Mapping[str, Any]:
        """Never None."""
        return self.body.get("details") or {}

    @property
    def causes(self) -> tuple[Mapping[str, Any], ...]:
        """The field by field reasons, if any."""
        return tuple(self.details.get("causes") or ())

    def says_absent(self, resource: str, name: str) -> bool:
        """Whether the server says that there is no such object, rather than no such path."""
        is_it = self.details.get("kind") == resource and self.details.get("name") == name
        return self.status == 404 and self.reason == "NotFound" and is_it


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of which server; ``key.name`` is empty when it was not about one object."""

    server: str
    verb: str
    key: Key
    resource: str = "seldondeployments"
    writes: bool = False

    def __str__(self) -> str:
        """As a person would say it: ``patch seldondeployments fraud in namespace shop``."""
        name = f" {self.key.name}" if self.key.name else ""
        place = f" in namespace {self.key.namespace}" if self.key.namespace else ""
        return f"{self.verb} {self.resource}{name}{place}"


def refusal(answer: Answer, asked: Asked) -> ClusterError:
    """Return the error that ``answer`` stands for, ready to be raised.

    :class:`~m2s.base.errors.Rejected` and :class:`~m2s.base.errors.Conflict` concern the one object
    that was to be written; anything else is about the cluster as a whole.
    """
    behind = _BEHIND.match(answer.message) if answer.status == 500 else None
    if behind or answer.status in BUSY or answer.reason in _BUSY_REASONS:
        webhook = behind and behind["webhook"]
        remedy = ": check the service that answers it, and try again" if webhook else ""
        said = f"{asked.server} is not able to {asked} now: {answer.message}{remedy}"
        return ClusterUnavailable(said)
    whole = _about_the_cluster(answer, asked)
    if whole is not None:
        return whole
    if not asked.writes:
        return ClusterError(f"cannot {asked} of {asked.server}: {answer.message}")
    return _manager_conflict(answer) if is_manager_conflict(answer) else Rejected(_why(answer))


def is_manager_conflict(answer: Answer) -> bool:
    """Whether another field manager owns what was to be written, as told by server-side apply."""
    return answer.status == 409 and any(
        cause.get("reason") == "FieldManagerConflict" for cause in answer.causes
    )


def _about_the_cluster(answer: Answer, asked: Asked) -> ClusterError | None:
    if answer.status == 401:
        return ClusterError(
            f"{asked.server} does not accept these credentials (401 Unauthorized): "
            "log in again, or choose another --context"
        )
    if answer.status == 403:
        return _forbidden(answer, asked)
    return _missing(answer, asked) if answer.status == 404 else None


def _forbidden(answer: Answer, asked: Asked) -> ClusterError | None:
    namespace = asked.key.namespace
    if any(cause.get("reason") == "NamespaceTerminating" for cause in answer.causes):
        return ClusterError(f"namespace {namespace} is being deleted: choose another --namespace")
    # a webhook's text is the webhook's own: only the authorizer's says "is forbidden: User"
    found = _RBAC.search(answer.message) if "is forbidden: User" in answer.message else None
    if found is None:
        return None
    verb, resource, user = found["verb"], found["resource"], found["user"]
    return ClusterError(
        f"user {user} may not {verb} {resource} in namespace {namespace}: "
        f"grant it with a Role that allows {verb} on {resource}, or use another --context"
    )


def _missing(answer: Answer, asked: Asked) -> ClusterError | None:
    kind, name = answer.details.get("kind"), answer.details.get("name")
    if kind == "namespaces":
        return ClusterError(
            f"namespace {name} does not exist on {asked.server}: create it "
            f"(kubectl create namespace {name}), or choose another with --namespace"
        )
    if asked.resource == "seldondeployments" and not name:
        return ClusterError(
            f"{asked.server} has no SeldonDeployments ({GROUP}/{VERSION}): "
            "install Seldon Core v1 there, or choose another --context"
        )
    return None


def _manager_conflict(answer: Answer) -> Conflict:
    owners: dict[str, list[str]] = {}
    for cause in answer.causes:
        named = re.search(r'conflict with "([^"]*)"', str(cause.get("message")))
        owner = named[1] if named else "another field manager"
        owners.setdefault(owner, []).append(str(cause.get("field")))
    held = "; ".join(f"{owner} owns {', '.join(fields)}" for owner, fields in owners.items())
    remedy = "take it back by leaving out --no-force-conflicts, or have it given up there"
    return Conflict(one_line(f"{held}: {remedy}"))


def _why(answer: Answer) -> str:
    schema = _SCHEMA.search(str(answer.body.get("message") or ""))
    if schema:
        lines = [line.strip() for line in schema["why"].splitlines()]
        return one_line("; ".join(line for line in lines if line and line != "errors:"))
    with_field = [cause for cause in answer.causes if cause.get("field")]
    fields = dict.fromkeys(f"{cause['field']}: {cause.get('message')}" for cause in with_field)
    return one_line("; ".join(fields)) if fields else _PREAMBLE.sub("", answer.message)
